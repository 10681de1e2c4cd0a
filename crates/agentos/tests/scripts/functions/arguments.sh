f() { echo "$# $1 ${2:-none} $*"; }
f; f a; f a 'b c' d
