f() { local a=(1 2 3); local -A m=([x]=y); echo ${#a[@]} ${m[x]}; }; f; echo "${#a[@]}"
