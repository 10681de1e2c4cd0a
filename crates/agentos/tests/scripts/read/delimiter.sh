printf 'a,b\nc,' | while read -r -d , x; do echo "<$x>"; done; printf 'x\0y\0' | while IFS= read -r -d '' x; do echo $x; done
