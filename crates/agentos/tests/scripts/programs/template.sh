name=World; items=(a b); sed "s/{{name}}/$name/" <<< 'Hello {{name}}'; printf -- '- %s\n' "${items[@]}"
