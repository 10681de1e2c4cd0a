printf '%s|%5s|%-5s|%.2s|%05d|%+d|%x|%X|%o|%c|%%\n' a b c defg 42 7 255 255 8 xyz
