cat & wait; echo $?
