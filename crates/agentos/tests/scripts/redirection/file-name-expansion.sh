n=out; echo a > "$n.txt"; echo b > ${n}2; ls; cat *
