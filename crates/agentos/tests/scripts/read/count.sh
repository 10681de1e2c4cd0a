echo abcdef | { read -n 3 x; echo $x; read -N 2 y; echo $y; }
