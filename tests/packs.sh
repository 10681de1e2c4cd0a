# To be sourced: builds the addon and the TypeScript packages, packs each, and serves the packs from a registry of our own.
# Afterwards $work is a directory that goes with the script, and $work/npmrc makes npm take the packages from there.
#
# PROFILE is the Cargo profile of the addon, `release` unless given. ADDON is an addon that has been built already; `none` leaves
# this platform out, for a script that has put another one's addon into its package. PACKS is a directory for the packs that stays.
root=$PWD
profile=${PROFILE:-release}
command -v npm >/dev/null || { printf 'npm is not installed\n' >&2; exit 1; }
npm_ci=(npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)

say() { printf -- '--- %s (%s s)\n' "$1" "$SECONDS"; }

say "the addon"
case ${ADDON:-} in
    none) ;;
    "") node sdk/typescript/scripts/addon.mjs --profile "$profile" ;;
    *) cp "$ADDON" sdk/typescript/packages/native-linux-x64-gnu/agentos.node ;;
esac

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
packs=${PACKS:-$work/packs}
node scripts/pack.mjs "$packs" >"$work/packed"
say "$(wc -l <"$work/packed") packs"
node scripts/registry.mjs "$packs" >"$work/url" &
registry=$!
until [ -s "$work/url" ]; do sleep 0.1; done
printf '@agentos:registry=%s\n' "$(cat "$work/url")" >"$work/npmrc"
cd "$root"
