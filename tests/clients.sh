#!/usr/bin/env bash
# Stock RivetKit clients against the gateway: installs them (npm, and cargo for the Rust client), builds a server with test
# actors, and runs every scenario. What must fail stands in tests/clients/expected-failures.txt, checked both ways. Prints the
# unexpected, then a summary. Options: `--quick` leaves out Node 20 and injected faults; `--only VERSION`.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
options=("$@")
command -v npm >/dev/null || { printf 'npm is not installed\n' >&2; exit 1; }
if [ ! -d tests/clients/node_modules ] || [ tests/clients/package-lock.json -nt tests/clients/node_modules ]; then
    (cd tests/clients && npm ci --ignore-scripts --omit=optional --no-audit --no-fund --loglevel=error)
    touch tests/clients/node_modules
fi
profile=${PROFILE:-release}
flags=()
[ "$profile" = debug ] || flags=(--profile "$profile")
cargo build "${flags[@]}" -p agentos-gateway --example conformance
CARGO_TARGET_DIR=$target/rust-client cargo build --quiet --manifest-path tests/clients/rust/Cargo.toml --locked
options+=(--rust "$target/rust-client/debug/agentos-client-conformance")
logs=$(mktemp -d)
servers=()
trap 'kill "${servers[@]}" 2>/dev/null || true; rm -rf "$logs"' EXIT

# Starts a server and leaves in `endpoint` the URL that it prints when it takes requests.
serve() {
    local log=$logs/$1
    shift
    : >"$log"
    "$@" >"$log" 2>"$log.err" &
    servers+=("$!")
    until grep -q http "$log"; do
        kill -0 "${servers[-1]}" 2>/dev/null || { cat "$log.err" >&2; exit 1; }
        sleep 0.1
    done
    endpoint=$(grep -o 'https\?://[^"]*' "$log" | head -n 1)
}

token='a/token+%2F'
conformance=$target/$profile/examples/conformance
serve guarded "$conformance" --token "$token"
options+=(--guarded "$endpoint" --token "$token")
# The product itself, where it has been built.
agentos=${AGENTOS:-$target/release/agentos}
if [ -x "$agentos" ] && "$agentos" serve --help >/dev/null 2>&1; then
    serve product "$agentos" serve --data "$logs/vms" --listen 127.0.0.1:0
    options+=(--vm "$endpoint")
fi
serve open "$conformance" --data-dir "$logs/data"
node tests/clients/run.mjs "$endpoint" "${options[@]}"
