echo hello | read x; echo "[$x]"; echo hello | { read x; echo "[$x]"; }
