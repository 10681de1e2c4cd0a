set -euo pipefail
names=(a b)
for n in "${names[@]}"; do echo "$n"; done
count=$(printf '%s\n' "${names[@]}" | wc -l)
echo "$((count))"
grep -q zzz /dev/null || echo none
