echo 'a b c' | { read x y; echo "[$x][$y]"; }; echo '' | { read x; echo "[$x] $?"; }; printf 'no newline' | { read x; echo "[$x] $?"; }
