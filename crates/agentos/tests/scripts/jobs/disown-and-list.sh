sleep 0.2 & jobs | grep -c Running; wait; jobs | wc -l
