shopt -s extglob
[[ foo.tar.gz == *.@(tar|tar.gz) ]] && echo at; [[ aaa == +(a) ]] && echo plus; [[ b == !(a) ]] && echo not; [[ ab == a?(b)?(c) ]] && echo opt
