a=0 b=1
for _ in {1..20}; do printf '%s ' $a; (( c=a+b, a=b, b=c )); done; echo
