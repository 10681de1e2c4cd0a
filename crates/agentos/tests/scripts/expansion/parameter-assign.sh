unset a; b=
echo "${a=first}" "$a"
echo "${b:=second}" "$b"
: "${c:=$((1+2))}"; echo "$c"
