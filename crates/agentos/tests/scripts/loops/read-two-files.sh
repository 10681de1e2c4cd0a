printf '1\n2\n' > a; printf 'x\ny\n' > b
while read -r l <&3 && read -r r <&4; do echo $l$r; done 3<a 4<b
