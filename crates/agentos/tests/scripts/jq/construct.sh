echo '{"x":1,"y":2}' | jq -c '{x, z: .y}, [.x,.y], to_entries, (.x=5), del(.y), (. + {w:3})'; jq -n -c '[range(3)], {a:"b"}'; jq -n --arg v val --argjson n 5 -c '{$v, n: $n}'
