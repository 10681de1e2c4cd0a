seq 10 > f; head -3 f; head -n -8 f; tail -2 f; tail -n +9 f; head -c 4 f; echo; tail -c 3 f; head -1 f f | head -4
