echo 12345 > f; exec 3<> f; read -n 2 -r x <&3; printf AB >&3; exec 3>&-; echo $x; cat f
