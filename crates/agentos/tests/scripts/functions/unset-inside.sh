f() { unset -f f; echo once; }; f; f 2>/dev/null || echo gone
