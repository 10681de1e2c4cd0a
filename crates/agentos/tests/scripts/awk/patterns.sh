seq 10 | awk '$1>7'; seq 10 | awk 'NR==2, NR==4'; printf 'ab\nb\n' | awk '/^a/{print "A:" $0} !/a/{print "none"}'; seq 3 | awk 'BEGIN{print "start"} END{print NR}'
