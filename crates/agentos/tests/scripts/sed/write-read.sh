seq 4 > f; sed -n '/2/w out' f; cat out; echo inc > i; sed '2r i' f; sed 's/3/three/w w' f > /dev/null; cat w
