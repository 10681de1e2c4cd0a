a=b; b=c; c=7
echo $((a)) $((a+1)) $(($a+1)) $((undefined+1))
