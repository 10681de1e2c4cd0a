n=27; steps=0
while (( n != 1 )); do (( n % 2 ? (n=3*n+1) : (n/=2), steps++ )); done; echo $steps
