printf '1 a\n2 b\n3 c\n' > x; printf '1 A\n3 C\n4 D\n' > y; join x y; join -a1 x y; join -v2 x y; join -o 1.2,2.2 x y; paste x y; paste -d, x y; paste -s x
