( eval 'echo $((1+))' ); echo "status $?"
( eval '((1 2))' ); echo "status $?"
