# tar, gzip.
mkdir -p src/in; echo one > src/a; echo two > src/in/b; ln -s a src/l; chmod 755 src/a
tar cf x.tar src; tar tf x.tar | sort; mkdir out; tar xf x.tar -C out; cat out/src/in/b; readlink out/src/l
gzip -k src/a; gunzip -c src/a.gz; zcat src/a.gz; gzip -c < src/in/b | gunzip -c; [ -f src/a ] && echo kept
tar czf y.tgz src/in; tar tzf y.tgz | sort; rm src/a; gunzip src/a.gz; cat src/a
