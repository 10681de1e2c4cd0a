seq 20 | grep -v 5 | awk '{print $1*2}' | sort -rn | sed 's/^/n=/' | head -5 | tr '\n' ' ' ; echo
