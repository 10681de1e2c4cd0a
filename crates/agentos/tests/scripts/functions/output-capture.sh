f() { echo line1; echo line2; return 5; }; out=$(f); echo "$? $out"
