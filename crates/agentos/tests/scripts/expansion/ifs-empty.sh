IFS=
v='a b c'
set -- $v; echo $#
set -- 1 2 3; echo "$*" $*
