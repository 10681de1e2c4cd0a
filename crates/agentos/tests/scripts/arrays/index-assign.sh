a[5]=five; a[2]=two
echo "${a[@]}" "${!a[@]}" "${#a[@]}"
a[10/2+1]=six; echo "${!a[@]}"
