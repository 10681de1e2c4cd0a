printf '%s\n' a b c d e > 1; sed 's/c/C/' 1 > 2; diff 1 2 > p; cat p; cp 1 3; patch -s 3 p && cmp 2 3 && echo same
