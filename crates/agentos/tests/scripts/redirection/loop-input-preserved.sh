printf '1\n2\n3\n' > f; while read -r x; do echo "$x"; head -1 > /dev/null < /dev/null; done < f
