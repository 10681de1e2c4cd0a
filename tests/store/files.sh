# Files: making, moving, linking, modes, sizes, and what is refused.
mkdir -p d/e; echo one > d/a; cp d/a d/b; mv d/b d/c; ln -s a d/l; cp -r d f
ls d; ls -1 f | wc -l; readlink d/l; cat d/l
chmod 640 d/a; stat -c '%a %s %F' d/a; chmod u+x,g-r d/a; stat -c %a d/a; chmod 700 d/e; stat -c '%a %F' d/e
truncate -s 5 d/c; wc -c < d/c; rm -r f; [ -e f ]; echo $?
touch -d '2020-01-02 03:04:05 UTC' d/c; date -u -r d/c +%Y-%m-%dT%H:%M:%S
rmdir d 2>/dev/null; echo $?; rm d/missing 2>/dev/null; echo $?; cat missing 2>/dev/null; echo $?
(umask 077; echo x > private; mkdir closed); stat -c %a private closed
dd if=/dev/zero bs=3 count=2 2>/dev/null | wc -c; basename /x/y.txt .txt; dirname /x/y.txt
realpath d/../d/a | sed "s,$PWD,.,"; test -d d && test ! -L d && test -L d/l && echo kinds
split -l 1 - part- <<'X'
1
2
X
cat part-ab; tee t1 < part-aa > t2; cmp t1 t2 2>/dev/null && echo same
chown "$(id -u)" d/a; echo $?; chgrp "$(id -g)" d/a; echo $?; chown 12345 d/missing 2>/dev/null; echo $?; cp -r d copied/ && ls copied; mv copied moved && ls -d moved
