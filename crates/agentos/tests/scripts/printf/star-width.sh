printf '%*s|%-*s|%.*f\n' 6 ab 6 cd 2 3.14159
