echo hello | sed y/el/ip/; seq 5 | sed 3q; seq 5 | sed '2q5'; echo $?; seq 3 | sed -n l; printf 'a\tb\n' | sed -n l; seq 5 | sed -n '2{p;q}'
