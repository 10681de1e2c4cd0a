shuf -i 1-5 | sort -n | tr '\n' ' '; echo; printf 'a b\nb c\na c\n' | tsort; shuf -n 2 -e x y z | wc -l; printf 'x y\ny x\n' | tsort > /dev/null; echo $?
