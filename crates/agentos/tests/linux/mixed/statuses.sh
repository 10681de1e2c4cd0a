# Exit statuses, `pipefail` and signals across both kinds.
# needs: node python3
node -e 'process.exit(3)'; echo $?; python3 -c 'import sys; sys.exit(4)'; echo $?; false; echo $?; /usr/bin/false; echo $?; nosuch 2>/dev/null; echo $?
set -o pipefail
node -e 'process.exit(5)' | cat; echo $?; cat /dev/null | python3 -c 'exit(6)' | wc -l; echo $?; node -e 'console.log(1)' | grep 2 | cat; echo $?
set +o pipefail
node -e 'process.exit(5)' | cat; echo $?; node -e 'process.exit(5)' | false | node -e 'process.exit(9)'; echo "$? ${PIPESTATUS[*]}"
python3 -c 'import os, signal; os.kill(os.getpid(), signal.SIGTERM)'; echo $?; (node -e 'process.exit(2)') || echo or; node -e 1 && echo and; ! node -e 'process.exit(1)'; echo $?
node -e 'setInterval(() => {}, 1e6)' & kill %1 2>/dev/null || kill $!; wait $!; echo $?; sleep 100 & kill -KILL $!; wait $! 2>/dev/null; echo $?
if python3 -c 'exit(1)'; then echo yes; else echo no; fi; while node -e 'process.exit(1)'; do echo never; done; set -e; node -e 'process.exit(7)'; echo unreached
