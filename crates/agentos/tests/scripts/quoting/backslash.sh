echo a\ b \$x \\ \' \" a\
b
echo "a\
b" "\a" "\n"
