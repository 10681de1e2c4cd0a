printf 'a\nb' > f; while read -r x || [ -n "$x" ]; do echo "<$x>"; done < f
