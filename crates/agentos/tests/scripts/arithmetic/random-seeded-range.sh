RANDOM=1; ok=1
for i in 1 2 3 4 5; do r=$((RANDOM % 10)); (( r>=0 && r<10 )) || ok=0; done; echo $ok
