[[ abc == abc ]] && echo 1; [[ abc != abd ]] && echo 2; [[ -z "" ]] && echo 3; [[ -n x ]] && echo 4
[[ abc < abd ]] && echo 5; [[ b > a ]] && echo 6; [[ x ]] && echo 7; [[ "" ]] || echo 8
