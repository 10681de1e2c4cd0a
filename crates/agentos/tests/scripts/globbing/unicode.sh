touch é ü a; echo ?; echo *
