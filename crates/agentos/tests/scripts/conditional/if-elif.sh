f() { if [ $1 -lt 0 ]; then echo neg; elif [ $1 -eq 0 ]; then echo zero; elif [ $1 -lt 10 ]; then echo small; else echo big; fi; }
f -5; f 0; f 7; f 99
