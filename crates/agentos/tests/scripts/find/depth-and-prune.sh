mkdir -p a/b/c; touch a/1 a/b/2 a/b/c/3; find a -maxdepth 1 | sort; find a -mindepth 2 | sort; find a -name b -prune -o -type f -print; find a -depth -name '[bc]'; find a -empty | sort
