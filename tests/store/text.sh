# Text: sort, uniq, cut, tr, paste, join, comm, head, tail, nl, wc, fold, expand, seq, od, base64, sums.
printf 'pear 3\napple 10\nfig 2\napple 9\n' > list
sort list; echo --; sort -k2 -n list; echo --; sort -u -k1,1 list; echo --; sort -r list | head -2
cut -d' ' -f1 list | sort | uniq -c | tr -s ' ' | sort -rn | head -1
tr a-z A-Z < list | tail -n 1
printf '1\n2\n3\n' > a; printf 'x\ny\nz\n' > b
paste a b; paste -sd, a
printf '1 one\n2 two\n' > l; printf '1 uno\n3 tres\n' > r
join l r; comm -12 a <(printf '2\n3\n4\n') 2>/dev/null || comm -12 a l
wc -l < list; wc -c list | cut -d' ' -f1; nl -ba a | tr -s ' \t' ' '
seq 3 3 12 | sort -rn; seq -s: 5; printf 'abcdef\n' | fold -w 2; printf 'a\tb\n' | expand -t 4
printf 'abc\n' | od -An -c | tr -s ' '; printf 'hello' | base64; printf 'aGVsbG8=' | base64 -d; echo
printf 'hello' | sha256sum | cut -c1-16; printf 'hello' | md5sum
factor 84; expr 6 \* 7; numfmt --to=iec 2048; printf '%05.1f|%-4s|%x\n' 3.14159 ab 255
