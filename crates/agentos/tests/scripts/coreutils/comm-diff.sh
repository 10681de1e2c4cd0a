printf 'a\nb\nc\n' > x; printf 'b\nc\nd\n' > y; comm x y; comm -23 x y; diff x y; echo $?; diff -u x x; echo $?; cmp x y; echo $?; cmp -s x x; echo $?; diff -q x y
