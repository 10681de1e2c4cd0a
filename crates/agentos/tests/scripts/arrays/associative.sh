declare -A m=([red]=1 [green]=2)
m[blue]=3
echo "${m[red]}" "${m[blue]}" "${#m[@]}"
for k in $(printf '%s\n' "${!m[@]}" | sort); do echo "$k=${m[$k]}"; done
