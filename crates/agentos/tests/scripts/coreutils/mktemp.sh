f=$(mktemp -p .); [ -f "$f" ] && echo file; d=$(mktemp -d -p .); [ -d "$d" ] && echo dir; stat -c %a "$f" "$d"; mktemp -u -p . x.XXXX | sed 's/x\..*/x.T/'
