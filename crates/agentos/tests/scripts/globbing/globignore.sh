touch a b c; GLOBIGNORE=b; echo *; unset GLOBIGNORE; echo *
