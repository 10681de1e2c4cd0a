f() { echo "${FUNCNAME[0]} ${FUNCNAME[1]}"; }; g() { f; }; g
