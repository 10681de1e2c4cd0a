echo 'a b a c a b' | awk '{for(i=1;i<=NF;i++) c[$i]++} END{for(w in c) print c[w], w}' | sort -rn; awk 'BEGIN{a["x"]; if("x" in a) print "in"; delete a["x"]; print length(a)}'
