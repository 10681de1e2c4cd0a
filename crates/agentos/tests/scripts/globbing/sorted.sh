touch B a C b 10 9; echo *
