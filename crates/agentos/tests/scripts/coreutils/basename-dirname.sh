basename /a/b/c.txt; basename /a/b/c.txt .txt; basename a/; basename -a x/y z/w; basename -s .c a.c; dirname /a/b/c; dirname a; dirname /; dirname a/b/ c
