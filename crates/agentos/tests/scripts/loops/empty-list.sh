for x in; do echo never; done; echo $?
for x in $undefined; do echo never; done; echo done
