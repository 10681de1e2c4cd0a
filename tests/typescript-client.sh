#!/bin/sh
# The TypeScript client and the React hooks: types, units, a real server, a browser.
#
#   tests/typescript-client.sh [AGENTOS]      the binary to test, target/release/agentos unless given
#
# Needs node and npm, and Chromium for its last step, which is left out without one.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
AGENTOS_BIN=$(realpath "${1:-$target/release/agentos}")
export AGENTOS_BIN
chromium=$(command -v chromium || command -v chromium-browser || true)
cd "$root/sdk/typescript"
# Another script may have installed the same already.
[ -x node_modules/.bin/tsc ] || npm ci --ignore-scripts --no-audit --no-fund --silent
npm run --silent build -w @agentos/client
npm test --silent -w @agentos/client
npm test --silent -w @agentos/react
npm run --silent test:server -w @agentos/client
if [ -z "$chromium" ]; then
    echo "no Chromium: the client was not run in a browser"
    exit 0
fi
npm run --silent build:page -w @agentos/react
(cd "$root/tests/browser" && npm ci --ignore-scripts --no-audit --no-fund --silent)
node "$root/tests/browser/client.mjs" "$AGENTOS_BIN" packages/react/build/page.js "$target/browser" "$chromium"
