touch 'a b' 'c*d' 'e?f'; for f in *; do echo "<$f>"; done; echo 'c*'* "a "*
