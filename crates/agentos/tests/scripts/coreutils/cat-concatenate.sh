echo 1 > a; echo 2 > b; cat a - b <<< mid; cat a none b; echo $?; printf 'x' | cat - a; cat -s <<< $'a\n\n\n\nb'
