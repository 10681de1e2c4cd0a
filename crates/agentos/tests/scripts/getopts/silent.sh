OPTIND=1; while getopts ':ab:' o -z -a -b; do echo "$o [$OPTARG]"; done
