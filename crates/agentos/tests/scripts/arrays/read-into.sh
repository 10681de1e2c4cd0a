read -r -a w <<< 'one two  three'
echo "${#w[@]} ${w[2]}"
IFS=, read -r -a f <<< 'a,b,,d'
echo "${#f[@]} [${f[2]}]"
