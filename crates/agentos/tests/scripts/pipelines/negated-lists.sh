! false && echo a; if ! grep -q x <<< y; then echo nox; fi
