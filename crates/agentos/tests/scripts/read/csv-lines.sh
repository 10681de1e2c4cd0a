while IFS=, read -r name age city; do echo "$city: $name is $age"; done <<'E'
Ann,30,Rome
Bob,25,Oslo
E
