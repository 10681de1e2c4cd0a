printf 'foo123\nfoo\nbar$\n' > f; grep -P 'foo(?=\d)' f; grep -oP '\d+' f; grep -F 'bar$' f; grep -c '' f; grep -vc foo f; grep -s x none; echo $?
