yes ab | head -2; yes | head -1; echo x | tee f | cat; cat f; sleep 0; echo $?; sleep 0.01 && echo slept; sleep x; echo $?
