printf 'a1\nb22\nc\nab12\n' > f; grep '[0-9]' f; grep -E '^[a-z][0-9]+$' f; grep -E 'a|c' f; grep '^.$' f; grep -o '[0-9]*' f; grep -E '(.)\1' f; grep -w c f; grep -x c f
