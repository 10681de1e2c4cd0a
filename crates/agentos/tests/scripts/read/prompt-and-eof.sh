read -p 'prompt> ' x < /dev/null; echo "$? [$x]"
