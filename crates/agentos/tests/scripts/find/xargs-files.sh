touch 'a b' c; find . -type f -print0 | sort -z | xargs -0 ls -1; printf '3\n1\n2\n' | xargs -n1 sh -c 'echo got $0' ; seq 3 | xargs -P2 -n1 echo | sort; echo "a 'b c' d" | xargs -n1
