f() { local -n r=$1; r+=(new); echo "${r[0]}"; }
list=(old); f list; echo "${list[@]}"
