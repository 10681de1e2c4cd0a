{ x=$(printf 'a\0b'); } 2>/dev/null; echo ${#x}
