x=$(cat <<E
a "b" 'c'
E
)
echo "$x"
