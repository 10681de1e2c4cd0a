echo data | tee a b > c; cat a b c; echo more | tee -a a > /dev/null; cat a
