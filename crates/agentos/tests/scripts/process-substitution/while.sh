while read x; do echo "<$x>"; done < <(echo a; echo b); echo "$x"
