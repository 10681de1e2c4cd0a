[ -n "$BASH_VERSION" ] && echo bash; [ "$PPID" -gt 0 ] && echo ppid; echo $((SECONDS < 100)) ${#RANDOM} | sed 's/ [1-5]/ n/'; echo ${BASH_VERSINFO[0]}
