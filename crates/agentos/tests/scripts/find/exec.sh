touch 1.t 2.t; find . -name '*.t' -exec echo {} \; | sort; find . -name '*.t' -exec echo {} + | tr ' ' '\n' | sort; find . -name '*.t' -delete; ls; find . -name none -exec false {} \; ; echo $?
