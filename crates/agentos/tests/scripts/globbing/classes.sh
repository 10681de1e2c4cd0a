touch a1 a2 b1 B1 _x; echo [ab]1 [!a]1 [a-z]? [[:upper:]]* a[12] [_]x
