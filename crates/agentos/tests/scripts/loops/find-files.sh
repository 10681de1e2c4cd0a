touch a.txt b.txt c.md; for f in *.txt; do echo "${f%.txt}"; done; for f in *.none; do echo "$f"; done
