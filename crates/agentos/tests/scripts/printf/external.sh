command printf '%s %d\n' a 1; env printf '%5s|\n' x; env printf '%b' 'a\nb\n'
