a=(pear apple fig)
IFS=$'\n' sorted=($(sort <<< "${a[*]}")); unset IFS
echo "${sorted[@]}"
