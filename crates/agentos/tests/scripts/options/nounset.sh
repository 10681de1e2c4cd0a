(set -u; echo $undefined; echo no); echo $?; (set -u; echo ${undefined:-default} ${undefined-}); echo $?; (set -u; set --; echo "$@" $#); echo $?
