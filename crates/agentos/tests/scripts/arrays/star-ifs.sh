a=(a 'b c' d); IFS=-
echo "${a[*]}"
echo ${a[*]}
