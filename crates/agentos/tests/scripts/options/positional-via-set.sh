set -- -a b; echo $1 $#; set x y; echo $1; set -; set --; echo $#
