true && echo a || echo b; false && echo a || echo b; false || false || echo c; true && false; echo $?
! true; echo $?; ! false; echo $?
