printf 'abc\n\0\377' | od -c; printf 'AB' | od -An -tx1; printf 'ABCD' | od -An -tx4 -v; printf 'hello' | od -An -tu1 -j1 -N3
