printf '1\n2\n3\n4\n5\n' > a; printf '1\n2\nX\n4\n5\n6\n' > b; diff -u a b | tail -n +3; diff -y --suppress-common-lines -W 20 a b | tr -s ' \t' ' '
