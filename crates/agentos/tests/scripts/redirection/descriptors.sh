exec 3> f; echo three >&3; echo more >&3; exec 3>&-; cat f; exec 4< f; read -r x <&4; read -r y <&4; echo "$x $y"; exec 4<&-
