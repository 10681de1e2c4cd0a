mkdir -p d/e; echo one > d/1; echo two > d/e/2; ln -s 1 d/l; chmod 600 d/1; tar cf a.tar d; tar tf a.tar | sort; rm -r d; tar xf a.tar; cat d/1 d/e/2 d/l; stat -c %a d/1; readlink d/l
