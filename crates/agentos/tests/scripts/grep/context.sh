seq 10 | grep -A1 3; seq 10 | grep -B1 3; seq 10 | grep -C1 5; seq 10 | grep -A1 -E '2|8'
