set -- outer1 outer2; f() { set -- inner; echo "$@"; shift; echo $#; }; f x y; echo "$@"
