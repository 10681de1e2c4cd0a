a=1; export b=2; export a; env | grep -E '^(a|b)=' | sort; unset a; sh -c 'echo "[$a]$b"'
