HOME=/home/test
echo ~ ~/x "~" '~' \~ a~
x=~/y; echo "$x"
p=~/a:~/b; echo "$p"
