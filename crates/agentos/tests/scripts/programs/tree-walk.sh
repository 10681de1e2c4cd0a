mkdir -p r/a/b r/c; touch r/a/b/f r/c/g; walk() { local p; for p in "$1"/*; do echo "$p"; [ -d "$p" ] && walk "$p"; done; return 0; }; walk r
