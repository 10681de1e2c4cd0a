{ echo b; echo a; } | { sort; echo end; } | while read x; do echo "<$x>"; done
