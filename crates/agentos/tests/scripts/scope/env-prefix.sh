x=1 env | grep '^x='; echo "[$x]"; x=2 y=3 sh -c 'echo $x$y'; env -i A=b /usr/bin/env
