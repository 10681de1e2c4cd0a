printf '%-8s|%6.2f|%4d\n' apple 1.5 3 kiwi 22.75 120
