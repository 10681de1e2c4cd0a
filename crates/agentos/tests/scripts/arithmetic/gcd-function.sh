gcd() { if (($2)); then gcd $2 $(($1 % $2)); else echo $1; fi; }
gcd 1071 462; gcd 17 5
