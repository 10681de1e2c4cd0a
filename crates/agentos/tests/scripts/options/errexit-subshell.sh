(set -e; (false); echo no); echo $?; (set -e; (false) || true; echo yes); echo $?
