printf '%s\n' '\u00e9' $'\u20ac'; printf '\u00e9\n'; printf '%5s|\n' é
