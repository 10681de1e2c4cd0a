(echo a; echo b) | (read x; read y; echo $y$x)
