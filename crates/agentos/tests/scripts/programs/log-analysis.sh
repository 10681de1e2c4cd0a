for i in 1 2 3 4 5 6; do echo "2024-01-0$i $([ $((i%2)) = 0 ] && echo ERROR || echo INFO) msg $i"; done > log
grep -c ERROR log; awk '$2=="ERROR"{print $1}' log; sed -n 's/.*INFO msg //p' log | paste -sd+ | bc 2>/dev/null || sed -n 's/.*INFO msg //p' log | awk '{s+=$1}END{print s}'
