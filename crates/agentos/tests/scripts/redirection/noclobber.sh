set -C; echo 1 > f; echo 2 > f; echo $?; echo 3 >| f; cat f; set +C; echo 4 > f; cat f
