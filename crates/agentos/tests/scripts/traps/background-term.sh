{ trap 'echo stopping; exit 0' TERM; echo ready > r; while :; do sleep 0.05; done; } & p=$!
while [ ! -s r ]; do sleep 0.02; done; kill $p; wait $p; echo $?
