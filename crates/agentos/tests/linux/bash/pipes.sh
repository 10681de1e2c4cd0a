# Pipes of all lengths, their statuses, and those that break.
seq 100000 | sort -R | sort -n | tail -n 1; yes | head -n 3; yes 2>/dev/null | head -c 100000 | wc -c; cat /dev/zero | head -c 1000000 | md5sum
true | false | true; echo "${PIPESTATUS[*]}"; (exit 3) | cat; echo $?; set -o pipefail; (exit 3) | cat; echo $?; { echo a; echo b >&2; } 2>&1 | sort
echo x | tee one two >/dev/null; cat one two; mkfifo p; (echo through > p &); cat p; rm p; seq 5 | while read n; do echo $((n * n)); done | paste -sd+ | bc 2>/dev/null || echo no bc
seq 20 | xargs -n 3 -P 4 echo | sort -n | head -n 3; find / -maxdepth 1 -name usr | xargs basename; printf 'a\0b\0' | xargs -0 -I{} echo '<{}>'; exec 9< one; read -r l <&9; echo $l; exec 9<&-
( for i in 1 2 3 4 5 6 7 8; do (echo $i) & done; wait ) | sort; cat < /dev/null | wc -c; echo a > f; echo b >> f; cat f > /dev/full; echo $?; cat f >&-; echo $?; : > empty; wc -c empty; timeout 0.05 sleep 60; echo $?; nohup true 2>/dev/null; echo $?
