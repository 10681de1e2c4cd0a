[[ a == a && b == b ]] && echo and; [[ a == b || b == b ]] && echo or; [[ ! a == b ]] && echo not
[[ ( a == b || c == c ) && d == d ]] && echo group
