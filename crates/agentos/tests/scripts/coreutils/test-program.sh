env test 1 -eq 1; echo $?; env [ a = b ]; echo $?; env test -d .; echo $?; env test ! -e none; echo $?
