v=1; export e=2; (echo $v $e); sh -c 'echo "[$v] $e"'
