exec >> log; echo one; exec 1>&2; exec >> log; echo two; cat log 1>&2 2>/dev/null
