x=$(false); echo $?; x=$(exit 5); echo $?; echo $(exit 3) $?; y=$(true) z=$(exit 2); echo $?
