f() { echo f1; }; (f() { echo f2; }; f; set -f; echo *x); f
