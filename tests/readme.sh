#!/usr/bin/env bash
# Runs the first command of the README as it stands there and checks that it did its job.
set -euo pipefail
cd "$(dirname "$0")/.."

command=$(awk '/^```sh$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' README.md)
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
output=$(bash -euo pipefail -c "$command" 2>"$errors") || { cat "$errors" >&2; exit 1; }
printf '%s\n' "$output"
tail -n 1 "$errors"

fail() { printf 'README command: %s\n' "$1" >&2; exit 1; }
grep -q 'VM created in' "$errors" || fail "--stats said nothing"
[ "$(printf '%s\n' "$output" | wc -l)" -eq 12 ] || fail "expected 12 lines"
total=$(printf '%s\n' "$output" | awk '/in all$/ { print $1 }')
host=$(find . -name "*.rs" -not -path "./target/*" -print0 | xargs -0 grep -c "fn " | awk -F: '{ n += $NF } END { print n }')
[ "$total" = "$host" ] || fail "counted $total, the host counts $host"
