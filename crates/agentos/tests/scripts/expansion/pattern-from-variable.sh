s=foobar; p='foo*'
[[ $s == $p ]] && echo match
[[ $s == "$p" ]] || echo literal
echo "${s#$p}|${s##$p}"
