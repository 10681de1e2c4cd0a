m=("1 2 3" "4 5 6"); for r in "${m[@]}"; do for c in $r; do printf '%3d' $((c*c)); done; echo; done
