expr 1 + 2; expr 7 \* 3; expr 7 / 2; expr 7 % 2; expr length hello; expr substr hello 2 3; expr index hello l; expr abc : 'a\(.\)c'; expr 3 \> 2; expr '' ; echo $?; expr a = a; expr 1 / 0; echo $?
