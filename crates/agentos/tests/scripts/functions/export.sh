f() { echo exported $1; }; export -f f; bash -c 'f arg' 2>/dev/null || sh -c 'f arg'
