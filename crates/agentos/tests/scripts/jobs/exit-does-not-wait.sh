(sleep 0.2; echo late > f) & wait; cat f
