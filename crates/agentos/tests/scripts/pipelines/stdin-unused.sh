seq 100000 | true; echo $?; seq 10 | (exit 7); echo $?
