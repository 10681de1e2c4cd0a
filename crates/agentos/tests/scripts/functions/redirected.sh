f() { echo out; echo err >&2; } 2>&1
f | sort; g() { cat; } <<< input; g
