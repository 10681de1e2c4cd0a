printf '%q\n' 'a b' "it's" '$x' '' 'plain' $'tab\t'
