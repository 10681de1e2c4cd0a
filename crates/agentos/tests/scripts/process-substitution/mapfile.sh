mapfile -t a < <(printf 'x\ny z\n'); echo ${#a[@]} "${a[1]}"
