printf '10 b\n9 a\n10 a\n' > f; sort f; sort -n f; sort -k2,2 -k1,1n f; sort -rn f; sort -u -k1,1 f; sort -t' ' -k2r f
