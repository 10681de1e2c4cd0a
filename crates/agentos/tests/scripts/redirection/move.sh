exec 3> f; exec 4>&3-; echo x >&4; exec 4>&-; cat f; echo y >&3; echo $?
