a=(one two 'three four')
echo "${a[0]}" "${a[2]}" "${#a[@]}" "${#a[2]}"
echo "${a[@]}"
