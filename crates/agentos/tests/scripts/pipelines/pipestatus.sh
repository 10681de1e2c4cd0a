true | false | (exit 3); echo "${PIPESTATUS[@]}"; true; echo "${PIPESTATUS[@]}"
