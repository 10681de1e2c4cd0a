f() { local OPTIND=1 o; while getopts 'ab:c' o "$@"; do case $o in a) echo a;; b) echo "b=$OPTARG";; c) echo c;; *) echo "bad";; esac; done; shift $((OPTIND-1)); echo "rest: $*"; }
f -a -b val x y; f -ac -bval; f -- -a; f x -a
