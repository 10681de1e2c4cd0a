set -- 1 2 3
for x in "pre$@post"; do echo "[$x]"; done
set --
for x in "pre$@post"; do echo "[$x]"; done
for x in "$@"; do echo never; done
