echo "$(echo "$(echo "deep ' quote")")"
