set -- "a b" 'c"d' "e'f"
printf '[%s]' "$@"; echo
eval "printf '[%s]' $(printf '%q ' "$@")"; echo
