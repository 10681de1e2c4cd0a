# The shell: pipes, statuses, substitutions, functions, loops, here documents, redirections.
echo a b c | cat | wc -w
false | true; echo $?; true | false; echo $?; (exit 3); echo $?; sh -c 'exit 7'; echo $?
x=$(echo in | tr a-z A-Z); echo "$x"; echo "$(printf '%s' "$(echo deep)")"
f() { local n=$1; while [ "$n" -gt 0 ]; do printf '%s ' "$n"; n=$((n - 1)); done; echo; return 4; }; f 3; echo $?
for i in 1 2 3; do [ "$i" = 2 ] && continue; echo "$i"; done | sort -r
case abc in a*) echo starts ;; *) echo no ;; esac
cat <<X
here $x $((2 + 3))
X
echo out > o; echo more >> o; cat < o; echo err 2>/dev/null 1>&2
{ echo grouped; echo lines; } | sort -r; a=(x y z); echo "${#a[@]} ${a[1]}"; s=file.tar.gz; echo "${s%.gz} ${s##*.} ${s/tar/zip}"
set -- one two; echo "$# $2"; export V=1; env | grep '^V='; env -i W=2 "$(command -v env)" | grep W=
echo 'echo from script $1' > s.sh; sh s.sh arg; . ./s.sh; true && echo and || echo or; ! true; echo $?
exec 3>three; echo to3 >&3; exec 3>&-; cat three; umask 027; umask; : > masked; stat -c %a masked
cat missing 2>/dev/null || echo "caught $?"; seq 1 2000 | head -1; yes | head -2; exec echo last
