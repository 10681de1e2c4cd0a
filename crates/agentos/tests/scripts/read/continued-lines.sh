printf 'one \\\ntwo\n' | { read x; echo "$x"; }
