#!/bin/sh
# Previews, the inspector and stock clients in headless Chromium. Screenshots go to target/browser/.
#
#   tests/browser.sh [AGENTOS]      the binary to test, target/release/agentos unless given
#
# Needs node, npm and xz; installs Chromium with apt-get if there is none.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
agentos=${1:-$target/release/agentos}
chromium=$(command -v chromium || command -v chromium-browser || true)
if [ -z "$chromium" ]; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends chromium
    chromium=$(command -v chromium)
fi
(cd "$root/tests/browser" && npm ci --ignore-scripts --no-audit --no-fund --silent)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
xz -dc "$root/userland/artefacts/tests/probe.wasm.xz" > "$work/probe.wasm"
node "$root/tests/browser/run.mjs" "$agentos" "$work/probe.wasm" "$target/browser" "$chromium"
