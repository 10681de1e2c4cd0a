sh -c 'kill -KILL $$'; echo $?; sh -c 'kill -TERM $$'; echo $?
