unset a; echo "${a[@]:-none}"
a=(); echo "${a[@]:-none}" "${#a[@]}"
