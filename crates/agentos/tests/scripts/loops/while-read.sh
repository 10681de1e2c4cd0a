printf 'a 1\nb 2\n' | while read -r k v; do echo "$v-$k"; done
