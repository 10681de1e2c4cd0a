(trap 'echo child; exit 7' TERM; kill -TERM $BASHPID; sleep 5); echo $?
