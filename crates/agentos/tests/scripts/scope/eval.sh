x='echo "a b" | tr a z'; eval "$x"; v=name; eval "$v=value"; echo $name; eval; echo $?; eval 'false'; echo $?
