printf 'b\na\nc\n' | sort | head -2 | tail -1
