#!/usr/bin/env bash
# The agents of named software, from npm, in sessions: each writes a program and runs it, edits it, asks and is allowed, is
# refused, is cancelled in the middle, and goes on in another VM. Their model follows a script (docs/scripted-model.md), all else is real.
#
# usage: tests/agents.sh [AGENTOS] [pi|pi=npm:@agentos-software/pi@0.2.7|claude|codex|opencode]...
# Without names: all of them; the second is Pi as another system packs it. TIMES=20 has that many conversations with each.
# Packages come from npm into a temporary store, or stay in AGENTOS_STORE.
set -euo pipefail
cd "$(dirname "$0")/.."
agentos=${CARGO_TARGET_DIR:-target}/release/agentos
names=()
for argument; do
    case $argument in pi | pi=npm:* | claude | codex | opencode) names+=("$argument") ;; *) agentos=$argument ;; esac
done
[ "${#names[@]}" -gt 0 ] || names=(pi pi=npm:@agentos-software/pi@0.2.7 claude codex opencode)
agentos=$(realpath "$agentos")
command -v node >/dev/null || { printf 'Node.js is not installed\n' >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export AGENTOS_STORE=${AGENTOS_STORE:-$work/store}
failed=()
for name in "${names[@]}"; do
    printf -- '--- %s (%s s)\n' "$name" "$SECONDS"
    agent=${name%%=*} software=${name#*=} folder=$work/${name//[^a-z]/-}
    if "$agentos" software add "$software" >"$work/added" 2>&1 || { cat "$work/added" >&2; false; }; then
        if [ "$name" = pi ]; then
            "$agentos" run --software pi -c "$(cat tests/agents/linked.sh)" >"$work/linked" 2>&1 || { cat "$work/linked" >&2; failed+=("pi, linked"); }
            node tests/agents/colours.mjs "$agentos" || failed+=("pi, in a terminal")
        fi
        for ((time = 1; time <= ${TIMES:-1}; time++)); do
            mkdir "$folder-$time"
            node tests/agents/drive.mjs "$agentos" "$agent" "$folder-$time" "$software" || failed+=("$name, time $time")
            rm -rf "${folder:?}-$time"
        done
    else
        failed+=("$name")
    fi
done
if [ "${#failed[@]}" -gt 0 ]; then
    printf 'failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
printf -- '--- all agents passed (%s s)\n' "$SECONDS"
