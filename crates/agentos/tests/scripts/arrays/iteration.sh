a=('x y' z '')
for e in "${a[@]}"; do echo "<$e>"; done
for i in "${!a[@]}"; do echo "$i=${a[i]}"; done
