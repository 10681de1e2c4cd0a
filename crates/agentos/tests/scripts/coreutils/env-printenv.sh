env -i A=1 B=2 env | sort; A=x printenv A; printenv none; echo $?; env A=q sh -c 'echo $A'; env -u HOME sh -c 'echo "[${HOME-unset}]"'
