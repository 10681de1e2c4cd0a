a=1
echo "${b:-${c:-$((a+1))}}" "${x:-"quoted ${a}"}" "${x:-$(echo sub)}"
