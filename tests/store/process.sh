# Programs that start programs: env, nice, nohup, timeout, xargs; statuses and signals.
timeout 0.2 sleep 5; echo $?; timeout 5 true; echo $?; timeout 5 sh -c 'exit 9'; echo $?
nice sh -c 'exit 5'; echo $?; env sh -c 'exit 6'; echo $?; env A=b sh -c 'echo $A'; nohup echo hup 2>/dev/null
missing-command 2>/dev/null; echo $?; env missing-command 2>/dev/null; echo $?; timeout 1 missing-command 2>/dev/null; echo $?
sleep 0; echo $?; printf 'b\na\n' | env sort; stdbuf -oL echo buffered; echo a | timeout 5 cat
cd /tmp && sh -c pwd; cd / && env pwd; mkdir -p /tmp/dir && cd /tmp/dir && echo here > f && sh -c 'cat f; cd ..; ls dir'
awk 'BEGIN { r = system("exit 3"); print r }'; printf 'b\na\n' | awk '{ print | "sort" }'; find /etc -maxdepth 1 -name passwd -exec basename {} \;
sleep 0 & wait; echo waited; (sleep 60 & kill $!; wait $! 2>/dev/null; echo ended); echo x | env -i cat; env -i sh -c 'echo $0' 2>/dev/null || echo 127
