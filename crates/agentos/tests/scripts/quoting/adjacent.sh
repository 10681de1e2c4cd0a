v=x
echo "a"'b'c"$v"'$v'
echo ""''""
