printf 'a\nb c\n\nd\n' > f
mapfile -t lines < f
echo "${#lines[@]}"; printf '<%s>' "${lines[@]}"; echo
mapfile -t -n 2 first < f; echo "${first[*]}"
mapfile -t -s 2 rest < f; echo "${#rest[@]}"
