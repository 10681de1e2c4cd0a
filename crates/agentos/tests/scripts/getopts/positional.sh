set -- -v -o out file1 file2; while getopts vo: o; do case $o in v) v=1;; o) out=$OPTARG;; esac; done; shift $((OPTIND-1)); echo "$v $out $*"
