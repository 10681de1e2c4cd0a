seq 6 | paste - - -; seq 6 | pr -3 -t -w 30 | tr -s ' \t' ' '; printf 'a b\nccc d\n' | column -t
