x=$(echo err >&2) 2>/dev/null; echo "[$x]"; x=$( { echo err >&2; } 2>&1 ); echo "[$x]"
