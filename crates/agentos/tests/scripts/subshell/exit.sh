(exit 4); echo $?; (echo a; exit; echo b); echo $?; (false); echo $?
