trap 'echo err $?' ERR; false; true; (exit 5); if false; then :; fi; false || true; echo done
