exec 3>&1; echo to3 >&3; exec 3>&-; echo bad >&3; echo $?
