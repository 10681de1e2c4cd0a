trap 'echo leaving' EXIT
while read -r line; do echo "got $line"; done < <(echo one; echo two)
