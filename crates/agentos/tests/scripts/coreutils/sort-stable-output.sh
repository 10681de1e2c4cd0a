printf 'a 2\nb 1\na 1\n' > f; sort -s -k1,1 f; sort -o f f; cat f; printf 'z\0a\0' | sort -z | tr '\0' '\n'
