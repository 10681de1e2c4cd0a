for i in 1 2 3; do i=x$i; echo $i; done; echo $i
