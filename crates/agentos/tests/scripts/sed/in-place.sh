printf 'a\nb\n' > f; sed -i 's/a/X/' f; cat f; sed -i.bak 's/b/Y/' f; cat f f.bak; sed -n -i '1p' f; cat f
