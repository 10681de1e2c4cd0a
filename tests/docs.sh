#!/usr/bin/env bash
# Runs the shell examples of the guides: every `sh` block of docs/*.md that begins with `agentos`, line by line, from the
# top of the checkout. A line is an example; what follows `# ` on it is a remark.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
PATH=$target/release:$PATH
ran=0
for page in docs/*.md; do
    while IFS= read -r line; do
        case $line in agentos\ *) ;; *) continue ;; esac
        printf '%s: %s\n' "$page" "$line"
        output=$(bash -c "$line" </dev/null 2>&1) || { printf '%s\nfailed\n' "$output" >&2; exit 1; }
        ran=$((ran + 1))
    done < <(awk '/^```sh$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$page")
done
printf '%s examples ran\n' "$ran"
[ "$ran" -gt 3 ]
