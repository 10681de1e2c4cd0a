mkdir -p a/b; touch a/x.txt a/b/y.txt a/b/z.md; find a | sort; find a -name '*.txt' | sort; find a -type d | sort; find a -type f ! -name '*.md' | sort; find a -iname 'Y*'; find a -path '*b/*' | sort
