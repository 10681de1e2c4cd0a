# What a tool leaves of its input, the next program reads.
# needs: python3
seq 5 > five
(head -n 1; python3 -c 'import sys; print(len(sys.stdin.read()))') < five; (sed -n '1{p;q}'; cat) < five > rest; wc -l rest | tr -s ' '; (grep -m 1 2; python3 -c 'import sys; print(sys.stdin.readline())') < five
