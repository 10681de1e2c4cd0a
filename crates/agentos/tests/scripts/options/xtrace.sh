PS4='+ '; { set -x; echo a "b c" $((1+1)); x=5; set +x; } 2>&1
