v='line one
line two'
echo "$v"
echo $v
