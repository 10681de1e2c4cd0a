printf '%d %i %u\n' 10 -5 7; printf '%d\n' 0x1f 017 "'A"; printf '%5.1f|%e|%g\n' 3.14159 12345.678 0.0001
