a=(1 2); a+=(3 4); a[1]+=x
echo "${a[@]}"
s=abc; s+=def; echo $s
