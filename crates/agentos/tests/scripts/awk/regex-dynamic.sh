printf 'k=v\nx=y\n' | awk -F= -v p='^k' '$1 ~ p {print $2}'; echo 'a.b' | awk -F'.' '{print $2}'; echo 'a1b2' | awk '{gsub(/[0-9]/,"<&>"); print}'; echo abc | awk '{sub(/b/,"\\&"); print}'
