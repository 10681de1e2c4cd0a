#!/usr/bin/env bash
# The example of an agent chat in headless Chromium: packs the TypeScript packages, installs the example with them as a user would,
# checks its types, builds page and server, and uses the page. Screenshots go to target/browser/.
#
# Needs node and npm; installs Chromium with apt-get if there is none. PROFILE and ADDON are as in tests/sdk.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
chromium=$(command -v chromium || command -v chromium-browser || true)
if [ -z "$chromium" ]; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends chromium
    chromium=$(command -v chromium)
fi
source tests/packs.sh

say "the example in an empty directory"
(cd tests/browser && "${npm_ci[@]}")
cp -r examples/agent-chat "$work/chat"
cd "$work/chat"
cp ../npmrc .npmrc
npm install --ignore-scripts --no-audit --no-fund --loglevel=error
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
say "its types, its page, its server"
VITE_AGENTOS_URL=http://127.0.0.1:$port npm run --silent build
say "the page in Chromium"
node "$root/tests/browser/chat.mjs" "$work/chat" "$port" "${CARGO_TARGET_DIR:-$root/target}/browser" "$chromium"
say "all passed"
