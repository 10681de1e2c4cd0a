shopt -s nullglob; shopt nullglob | tr -s '\t ' ' '; shopt -q nullglob; echo $?; shopt -u nullglob; shopt -q nullglob; echo $?
