for i in $(seq 3); do printf %s $i; done; echo; for i in $(seq 10 -3 1); do printf '%s ' $i; done; echo
