printf 'a\nb\n\nc\n' > f; tac f; rev f; nl f; nl -ba f; cat -n f; cat -b f; cat -A f; printf 'a\tb\n' | cat -T
