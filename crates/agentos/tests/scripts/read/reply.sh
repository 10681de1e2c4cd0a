echo '  whole line ' | { read; echo "[$REPLY]"; }
