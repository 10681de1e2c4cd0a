(sleep 0.3; exit 5) & (exit 4) & wait -n; echo $?; wait -n; echo $?
