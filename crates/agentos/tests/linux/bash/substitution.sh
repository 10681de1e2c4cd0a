# Processes in the place of files, and descriptors by name.
while read -r l; do echo "[$l]"; done < <(printf 'one\ntwo\n'); diff <(seq 3) <(seq 4); echo $?; mapfile -t lines < <(seq 3); echo ${lines[2]}
seq 5 | tee >(wc -l > count) > /dev/null; while [ ! -s count ]; do sleep 0.01; done; cat count; echo in | cat /dev/stdin; echo out > /dev/stdout; echo err 2>&1 > /dev/stderr
exec 5< <(echo five); cat /dev/fd/5; cat /proc/self/fd/5; ls -l /dev/fd/ > /dev/null; echo $?; readlink /proc/self/fd/0; paste <(seq 2) <(seq 3 4)
