{ echo 1; echo 2; } > f; (echo 3) >> f; if true; then echo 4; fi >> f; for i in 5; do echo $i; done >> f; cat f
