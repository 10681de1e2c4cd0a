f() { trap 'echo cleanup' EXIT; echo f; }; f; echo main
