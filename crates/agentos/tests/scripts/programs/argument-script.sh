cat > s.sh <<'E'
#!/bin/sh
verbose=0
while [ $# -gt 0 ]; do case $1 in -v) verbose=1;; -n) n=$2; shift;; --) shift; break;; -*) echo "bad $1" >&2; exit 2;; *) break;; esac; shift; done
echo "v=$verbose n=${n:-0} rest=$*"
E
chmod +x s.sh; ./s.sh -v -n 5 a b; ./s.sh -- -x; ./s.sh -q; echo $?
