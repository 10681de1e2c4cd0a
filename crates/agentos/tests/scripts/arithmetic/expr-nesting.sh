a=2
echo $(( $(echo 3) * a + $(( a + 1 )) ))
