echo '1 2 3' | { read -a a; echo ${a[2]} ${#a[@]}; }
