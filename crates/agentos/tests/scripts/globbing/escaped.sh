touch 'x[1]' x1; echo x[1] x\[1\] 'x[1]'
