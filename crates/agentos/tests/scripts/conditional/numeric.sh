[[ 5 -gt 3 ]] && echo gt; [[ 3 -le 3 ]] && echo le; [[ 010 -eq 8 ]] && echo octal; [[ 1+1 -eq 2 ]] && echo expr
