f() { echo "${10} ${11} $10"; }; f 1 2 3 4 5 6 7 8 9 ten eleven
