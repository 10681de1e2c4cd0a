echo abcdefghij | fold -w 4; echo 'the quick brown fox jumps' | fold -s -w 10; printf 'a\tb\n' | expand -t4; printf '        x\n' | unexpand | od -c | head -1
