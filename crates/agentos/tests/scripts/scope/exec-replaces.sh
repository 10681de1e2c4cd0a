(exec echo replaced; echo never); (exec sh -c 'exit 6'); echo $?
