[ 1 -eq x ]; echo $?
[ a b c ]; echo $?
[[ 1 -eq 1 ]]; echo $?
