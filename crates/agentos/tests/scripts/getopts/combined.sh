set -- -xyz; while getopts xyz o; do printf '%s ' $o $OPTIND; done; echo
