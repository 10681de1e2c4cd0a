printf 'one two\nthree\n' > f; wc f; wc -l < f; wc -w f; wc -c < f; printf 'é' | wc -m; wc -L f; wc -l f f
