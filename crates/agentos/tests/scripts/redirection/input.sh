printf '3\n1\n2\n' > f; sort < f; cat < f - < f | head -2
