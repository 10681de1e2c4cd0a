cat > c.ini <<'E'
# comment
[main]
key = value
other= x y
[second]
key=2
E
section=; while IFS= read -r l; do case $l in '#'*|'') ;; '['*) section=${l#[}; section=${section%]};; *=*) k=${l%%=*}; v=${l#*=}; echo "$section.${k// /}=${v# }";; esac; done < c.ini
