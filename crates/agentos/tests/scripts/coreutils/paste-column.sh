seq 6 | paste - - -; printf 'a b\nccc d\n' | column -t
