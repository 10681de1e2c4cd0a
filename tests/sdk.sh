#!/usr/bin/env bash
# The TypeScript packages as applications get them: builds the addon and the packages, packs each, installs the packs from a
# registry of our own in an empty directory - under the aliases of the documented programs, too - checks types there and runs the
# tests. Needs node and npm. Options: `--no-clients` leaves out the stock RivetKit clients.
#
# PROFILE is the Cargo profile of the addon, `release` unless given. ADDON is an addon that has been built already. NODE_VERSIONS
# names further versions of Node.js, for example `NODE_VERSIONS="22 24 26"`: npm's packages of them are installed, and the tests of
# the addon, the embedded VM, the mounts and the client are run on each. On each of NODE_SMOKE only the smoke test is.
set -euo pipefail
cd "$(dirname "$0")/.."
source tests/packs.sh

# An empty store: what software a user has must make no difference. Tests of software add some by the command, if it was built.
export AGENTOS_STORE=$work/store
built=$root/target/$profile/agentos
if [ -z "${AGENTOS_BIN:-}" ] && [ -x "$built" ]; then export AGENTOS_BIN=$built; fi
say "an application in an empty directory"
mkdir "$work/app"
cd "$work/app"
cp ../npmrc .npmrc
cp "$root"/sdk/typescript/test/app/* .
npm install --ignore-scripts --no-audit --no-fund --loglevel=error
cp -r "$root"/sdk/typescript/packages/rivetkit/test/. "$root"/sdk/typescript/test/*.test.mjs "$root"/sdk/typescript/test/agents \
    "$root"/examples .
say "types of the documented programs and the examples"
npx --no-install tsc -p tsconfig.json
for package in native core s3 google-drive; do
    (cd "$root/sdk/typescript" && npx --no-install tsc -p "packages/$package/test/tsconfig.json")
    cp -r "$root/sdk/typescript/packages/$package/build/test" "$package-tests"
    # What the compiler has checked by now needs zod at run time.
    rm -f "$package-tests/types.test.js"
done
# Those of the client look into the package, which is the packed one, and at the vectors of the wire. Newer versions of Node.js run
# no test below node_modules.
client=packed/packages/client
(cd "$root/sdk/typescript" && npx --no-install tsc -p packages/client/test/tsconfig.json)
mkdir -p packed/packages "$work/crates/wire/tests/data"
cp -rL node_modules/@agentos/client "$client"
mkdir "$client/build"
cp -r "$root"/sdk/typescript/packages/client/build/*.test.js "$root/sdk/typescript/packages/client/build/support" "$client/build"
cp "$root/crates/wire/tests/data/vectors.json" "$work/crates/wire/tests/data"

packages_on() { # packages_on NODE
    for package in native core s3 google-drive; do
        PATH="$(dirname "$1"):$PATH" "$1" --expose-gc --test --test-concurrency=1 --test-timeout=300000 "$package-tests"/*.test.js
    done
    "$1" --test --test-timeout=300000 "$client"/build/*.test.js
}
say "tests of the addon, of the embedded VM, of its mounts in buckets and in Google Drive and of the client"
packages_on "$(command -v node)"
node_of() { # node_of VERSION: installs that version and says in $other where it is
    mkdir "$work/node-$1"
    npm install --prefix "$work/node-$1" --ignore-scripts --no-audit --no-fund --loglevel=error "node-linux-$(node -p process.arch)@$1"
    other=$work/node-$1/node_modules/node-linux-$(node -p process.arch)/bin/node
}
for version in ${NODE_VERSIONS:-}; do
    node_of "$version"
    say "the same on Node.js $("$other" --version)"
    packages_on "$other"
done
for version in ${NODE_SMOKE:-}; do
    node_of "$version"
    say "the smoke test on Node.js $("$other" --version)"
    "$other" --test --test-timeout=120000 smoke.test.mjs
done
say "tests of the actor layer, and the examples"
if [ "${1:-}" != --no-clients ]; then
    clients=$root/tests/clients
    if [ ! -d "$clients/node_modules" ]; then
        (cd "$clients" && "${npm_ci[@]}" --omit=optional)
    fi
    export AGENTOS_TEST_CLIENTS=$clients
fi
AGENTOS_ROOT=$root node --test --test-concurrency=1 --test-timeout=300000 ./*.test.mjs
say "all passed"
