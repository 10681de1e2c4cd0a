printf 'a\0b\n' | grep -c a; printf 'abc\n' | grep --color=always b | od -c | head -2; printf 'a\0b\n' | grep -a a | tr '\0' 0
