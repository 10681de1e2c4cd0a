{ echo out; echo err >&2; } > o 2> e; cat o; echo --; cat e
{ echo out; echo err >&2; } > both 2>&1; sort both
