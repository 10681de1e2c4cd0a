printf '%s|' $'a\tb' $'\x41\u00e9' $'\'q\'' $'\101' $'a\\b'; echo
