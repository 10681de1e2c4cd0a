seq 1 50000 | sort -n | md5sum; seq 1 50000 | tac | sort -n | md5sum
