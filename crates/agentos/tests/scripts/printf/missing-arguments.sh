printf '%s,%d,%s\n' only; printf 'no args\n'; printf '%s\n'
