cat <<< hello; read a b <<< "1 2"; echo $b; tr a-z A-Z <<< "$(echo multi; echo line)"
