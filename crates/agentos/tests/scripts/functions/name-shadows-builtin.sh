cd() { echo "cd to $1"; }; cd /tmp; builtin cd / && pwd; unset -f cd; command cd /tmp && pwd
