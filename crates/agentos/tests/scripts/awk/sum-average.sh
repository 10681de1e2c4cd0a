printf '10\n20\n30\n' | awk '{s+=$1} END{print s, s/NR}'; printf 'a 1\nb 2\na 3\n' | awk '{t[$1]+=$2} END{for(k in t) print k, t[k]}' | sort
