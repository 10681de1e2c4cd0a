set -o nosuch; echo $?; shopt -s nosuch; echo $?
