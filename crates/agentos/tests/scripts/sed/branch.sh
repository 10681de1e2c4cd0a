printf 'a\nb\nc\n' | sed ':a;N;$!ba;s/\n/+/g'; echo aaaa | sed ':l;s/aa/a/;tl'; seq 5 | sed '/2/b;s/$/x/'; echo x | sed 's/y/z/;T;s/$/no/'
