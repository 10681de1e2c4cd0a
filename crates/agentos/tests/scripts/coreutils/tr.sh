echo hello | tr a-z A-Z; echo hello | tr -d l; echo aabbcc | tr -s abc; echo 'a1b2' | tr -cd 0-9; echo; echo hello | tr 'el' 'ip'; echo 'a b' | tr '[:space:]' _; echo; echo abc | tr a-c x
