for ((n=2; n<40; n++)); do
  for ((d=2; d*d<=n; d++)); do (( n%d )) || continue 2; done
  printf '%d ' $n
done; echo
