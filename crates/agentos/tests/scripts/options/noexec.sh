sh -n -c 'echo never; if'; echo $?; sh -n -c 'echo never'; echo $?
