join <(printf 'b 2\na 1\n' | sort) <(printf 'a x\nb y\n')
