cat > d.csv <<'E'
name,dept,salary
ann,it,100
bob,hr,80
cid,it,120
E
tail -n +2 d.csv | awk -F, '{s[$2]+=$3; n[$2]++} END{for(d in s) printf "%s %d %.1f\n", d, n[d], s[d]/n[d]}' | sort
