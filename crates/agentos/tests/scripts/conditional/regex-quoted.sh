[[ a.c =~ a"."c ]] && echo dot; [[ abc =~ a"."c ]] || echo nodot; [[ 'a b' =~ a\ b ]] && echo space
