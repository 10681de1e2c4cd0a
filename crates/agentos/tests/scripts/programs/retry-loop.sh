n=0; try() { n=$((n+1)); [ $n -ge 3 ]; }; for i in 1 2 3 4 5; do if try; then echo "ok after $n"; break; else echo "fail $n"; fi; done
