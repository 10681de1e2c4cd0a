q=(); push() { q+=("$1"); }; pop() { r=${q[0]}; q=("${q[@]:1}"); }; push a; push 'b c'; push d; pop; echo $r; pop; echo $r ${#q[@]}
