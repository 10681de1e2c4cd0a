f() { while [ $# -gt 0 ]; do printf '<%s>' "$1"; shift; done; echo; }; f a 'b c' d; set -- 1 2 3 4; shift 2; echo $1; shift 5; echo $? $#
