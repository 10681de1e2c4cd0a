printf '1\n2\n' > f; exec 3< f; read -u 3 a; read -u 3 b; read -u 3 c; echo "$a $b $? [$c]"
