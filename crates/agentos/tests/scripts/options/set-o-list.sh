set -o | grep -c . | awk '$1>20{print "many"}'; set -o pipefail; set -o | grep pipefail | tr -s '\t ' ' '; set +o | grep pipefail
