v='a b  c *'
w=$v; x=$w$w
echo "$x"
