set -- 1 2 3; for x; do printf '%s ' $x; done; echo
