((0)); echo $?; ((5)); echo $?; (( 3 > 5 )) || echo no
