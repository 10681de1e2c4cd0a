(set -e; false | true; echo yes); echo $?; (set -eo pipefail; false | true; echo no); echo $?
