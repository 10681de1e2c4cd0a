printf 'x\ny\n' |
  sort -r |
  cat -n | tr -s ' '
