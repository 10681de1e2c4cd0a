declare -A m=([k]=)
[[ -v m[k] ]] && echo yes
[[ -v m[none] ]] || echo no
a=(1); [[ -v a[0] ]] && echo yes; [[ -v a[1] ]] || echo no
