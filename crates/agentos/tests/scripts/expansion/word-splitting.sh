v='  a  b   c '
set -- $v; echo $#
set -- "$v"; echo $#
set -- x$v; echo "$# $1"
printf '<%s>' $v; echo
