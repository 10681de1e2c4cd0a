v='a b'; [[ $v == 'a b' ]] && echo yes; e=; [[ $e == '' ]] && echo empty; [[ -z $e ]] && echo z
