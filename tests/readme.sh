#!/usr/bin/env bash
# Runs the commands of the README as they stand there and checks that they did their jobs. The first one, the demo, needs npm's
# registry, and a machine on which Linux programs run; it is left out where npm is not installed or the machine is another.
set -euo pipefail
cd "$(dirname "$0")/.."

errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
fail() { printf 'README command: %s\n' "$1" >&2; exit 1; }

# The Nth `sh` block.
block() { awk -v wanted="$1" '/^```sh$/ { inside = 1; n++; next } /^```$/ { inside = 0 } inside && n == wanted' README.md; }
run() { bash -euo pipefail -c "$1" </dev/null 2>"$errors" || { cat "$errors" >&2; exit 1; }; }

demo=$(block 1)
[ "$demo" = "cargo run --release -- demo" ] || fail "the first one is not the demo"
if command -v npm >/dev/null && [ "$(uname -sm)" = "Linux x86_64" ]; then
    # Without a key, whatever the environment holds.
    output=$(unset ANTHROPIC_API_KEY OPENAI_API_KEY OPENROUTER_API_KEY GROQ_API_KEY XAI_API_KEY; run "$demo")
    printf '%s\n' "$output"
    grep -q 'Pi is real, its model follows a script' "$errors" || fail "the demo did not say whose model it is"
    grep -q '^/home/user/primes.sh (' <<<"$output" || fail "the demo made no program"
    grep -A1 '^/home/user/primes.txt (' <<<"$output" | grep -q ' 2 3 5 7 .* 89 97' || fail "the program did not run"
else
    printf 'README command: the demo was left out: no npm, or not Linux on x64\n' >&2
fi

output=$(run "$(block 2)")
printf '%s\n' "$output"
tail -n 1 "$errors"
grep -q 'VM created in' "$errors" || fail "--stats said nothing"
[ "$(printf '%s\n' "$output" | wc -l)" -eq 12 ] || fail "expected 12 lines"
total=$(printf '%s\n' "$output" | awk '/in all$/ { print $1 }')
host=$(find . -name "*.rs" -not -path "./target/*" -print0 | xargs -0 grep -c "fn " | awk -F: '{ n += $NF } END { print n }')
[ "$total" = "$host" ] || fail "counted $total, the host counts $host"
