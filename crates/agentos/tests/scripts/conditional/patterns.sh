f=report-2024.txt
[[ $f == *.txt ]] && echo txt; [[ $f == report-[0-9]* ]] && echo num; [[ $f == ?eport* ]] && echo q
[[ $f != *.md ]] && echo notmd; [[ 'a*b' == a\*b ]] && echo literal
