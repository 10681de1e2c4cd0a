# find, xargs, grep, sed, awk, diff.
mkdir -p t/a t/b; printf 'alpha\nbeta\ngamma\n' > t/a/one.txt; printf 'delta\nBETA\n' > t/b/two.txt; : > t/empty.log
find t -type f | sort; find t -name '*.txt' -size -2 | wc -l; find t -empty; find t -type d | sort
find t -name '*.txt' -exec cat {} + | sort; find t -name '*.txt' | sort | xargs wc -l | tail -1 | tr -s ' '
printf '1 2 3' | xargs -n 1 echo n; printf 'a\nb\n' | xargs -I{} echo '<{}>'; echo x | xargs false; echo $?
grep -n beta t/a/one.txt; grep -ri beta t | sort; grep -c a t/a/one.txt; grep -v a t/b/two.txt; grep -q nothing t/a/one.txt; echo $?
grep -oE '[a-z]+ta' t/a/one.txt t/b/two.txt | sort; printf 'a.b\naxb\n' | grep -F a.b; grep -l beta t/a/one.txt t/b/two.txt
sed 's/a/A/g' t/a/one.txt; sed -n 2p t/a/one.txt; sed -e '1d' -e 's/\(g\)\(a\)/\2\1/' t/a/one.txt; sed -i s/alpha/first/ t/a/one.txt; head -1 t/a/one.txt
awk '{ print NR ": " $0 }' t/a/one.txt; awk -F: '$3 == 0 { print $1 }' /etc/passwd; awk 'BEGIN { for (i = 0; i < 3; i++) s = s i; print s, length(s), substr(s, 2, 1) }'
printf '3 4\n5 6\n' | awk '{ t += $1 * $2 } END { printf "%d\n", t }'; awk 'BEGIN { "echo sub" | getline v; print toupper(v) }'
diff t/a/one.txt t/b/two.txt > d; echo $?; grep -c '^[<>]' d; diff t/a/one.txt t/a/one.txt; echo $?
