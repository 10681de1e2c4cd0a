# To be sourced: builds the addon and the TypeScript packages, packs each, and serves the packs from a registry of our own.
# Afterwards $work is a directory that goes with the script, and $work/npmrc makes npm take the packages from there.
#
# PROFILE is the Cargo profile of the addon, `release` unless given. ADDON is an addon that has been built already.
root=$PWD
profile=${PROFILE:-release}
command -v npm >/dev/null || { printf 'npm is not installed\n' >&2; exit 1; }
npm_ci=(npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)

say() { printf -- '--- %s (%s s)\n' "$1" "$SECONDS"; }

say "the addon"
if [ -n "${ADDON:-}" ]; then
    cp "$ADDON" sdk/typescript/packages/native-linux-x64-gnu/agentos.node
else
    node sdk/typescript/scripts/addon.mjs --profile "$profile"
fi

say "the packages"
cd sdk/typescript
if [ ! -d node_modules ] || [ package-lock.json -nt node_modules ]; then
    "${npm_ci[@]}"
    touch node_modules
fi
node scripts/software.mjs --check
for package in client native core s3 google-drive rivetkit react; do
    [ ! -f "packages/$package/tsconfig.json" ] || npm run --silent build -w "packages/$package"
done

work=$(mktemp -d)
registry=
trap 'kill $registry 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir "$work/packs"
npm pack --silent --workspaces --pack-destination "$work/packs" >"$work/packed"
say "$(wc -l <"$work/packed") packs"
node scripts/registry.mjs "$work/packs" >"$work/url" &
registry=$!
until [ -s "$work/url" ]; do sleep 0.1; done
printf '@agentos:registry=%s\n' "$(cat "$work/url")" >"$work/npmrc"
cd "$root"
