i=0; while i=$((i+1)); [ $i -lt 4 ]; do echo $i; done
