a=(a b c d)
echo "${a[-1]}" "${a[-4]}"
unset 'a[-1]'; echo "${a[@]}"
