echo x > a > b; [ -s a ] || echo empty; cat b
