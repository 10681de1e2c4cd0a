n=0; trap 'n=$((n+1))' DEBUG; :; :; trap - DEBUG; [ $n -ge 2 ] && echo counted
