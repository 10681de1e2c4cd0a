IFS=' ,'
v='a , b,c  d,,e'
set -- $v; printf '<%s>' "$@"; echo
