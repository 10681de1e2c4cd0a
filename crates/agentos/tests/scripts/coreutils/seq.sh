seq 3; seq 2 4; seq 1 2 7; seq -s, 5; seq -w 8 10; seq 3 -1 1; seq 0.5 0.5 1.5; seq -f '%03g' 2; seq 5 1
