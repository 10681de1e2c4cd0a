test 1 -lt 2 && echo a; [ "x" = "x" ] && echo b; [ -n "" ] || echo c; [ ! -e none ] && echo d
[ 1 -eq 1 -a 2 -eq 2 ] && echo e; [ 1 -eq 2 -o 2 -eq 2 ] && echo f; test; echo $?; test ''; echo $?; test x; echo $?
