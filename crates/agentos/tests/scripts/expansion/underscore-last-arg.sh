echo a b c
echo "$_"
: x y z; echo $_
