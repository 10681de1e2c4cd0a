a=(a b c)
(IFS=,; echo "${a[*]}")
printf -v joined '%s-' "${a[@]}"; echo "${joined%-}"
