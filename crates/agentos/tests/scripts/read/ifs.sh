echo 'a:b:c' | { IFS=: read x y; echo "$x-$y"; }; echo '  lead trail  ' | { read x; echo "[$x]"; }; echo '  lead  ' | { IFS= read -r x; echo "[$x]"; }
