while getopts 'ab:' o -a -z -b 2>/dev/null; do echo "$o ${OPTARG-unset}"; done
