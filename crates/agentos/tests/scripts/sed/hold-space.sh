seq 3 | sed -n '1!G;h;$p'; printf 'a\nb\n' | sed 'N;s/\n/-/'; seq 4 | sed 'x;1d'; seq 4 | sed -n 'H;${x;s/\n/,/g;p}'
