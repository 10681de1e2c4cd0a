declare -A m
k='a b'; m[$k]=1; m["c d"]=2; m[x.y]=3
printf '%s\n' "${!m[@]}" | sort
echo "${m[a b]}" "${m["c d"]}"
unset 'm[x.y]'; echo ${#m[@]}
