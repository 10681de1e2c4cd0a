seq 6 | pr -3 -t -w 30 | tr -s ' \t' ' '
