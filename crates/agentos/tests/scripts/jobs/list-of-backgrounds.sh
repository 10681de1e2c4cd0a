true & false & p=$!; wait $p; echo $?; { echo x; } & wait; echo done
