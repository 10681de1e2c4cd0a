re='^[0-9]+(\.[0-9]+)?$'
for v in 12 3.14 x1 .5 7.; do [[ $v =~ $re ]] && echo "$v yes" || echo "$v no"; done
