readarray -d : -t parts < <(printf 'a:b:c')
printf '<%s>' "${parts[@]}"; echo
