printf '%q %q\n' 'a b' '$x'; printf '%s\n' "$(printf '%q' "it's")"
