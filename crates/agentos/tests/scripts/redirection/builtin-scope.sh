echo a > f; read x < f; echo $x; { read y; } < f; echo $y; exec 5< f; { read z; } <&5; echo $z
