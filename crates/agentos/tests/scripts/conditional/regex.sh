[[ 'key=value' =~ ^([a-z]+)=(.*)$ ]] && echo "${BASH_REMATCH[1]} ${BASH_REMATCH[2]} ${#BASH_REMATCH[@]}"
[[ 2024-03-15 =~ ([0-9]{4})-([0-9]{2}) ]] && echo "${BASH_REMATCH[0]}"
[[ abc =~ x ]] || echo no
