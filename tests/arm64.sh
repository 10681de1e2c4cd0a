#!/usr/bin/env bash
# Linux on arm64: builds the addon and the command line for it on x86-64, packs the TypeScript packages with that addon, installs
# them as npm does on arm64, and runs both under an emulator: the smoke test, and tests of the addon and of the embedded VM.
#
# Needs npm, curl and the tools of Debian's `binutils` and `xz-utils`; what else it takes is downloaded, checked and kept below
# target/arm64-tools (see arm64/tools.sh). PROFILE is the Cargo profile, `release` unless given; NODE_VERSIONS are the major versions
# of Node.js to run, `20` unless given. Options: `--build-only` ends when the packs are made, and leaves them in target/arm64-packs;
# `--no-build` takes what was built.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
source tests/arm64/tools.sh
profile=${PROFILE:-release}
built=$(realpath -m "${CARGO_TARGET_DIR:-target}")/$target/$profile
build=yes tests=yes
for argument; do
    case $argument in
        --build-only) tests= ;;
        --no-build) build= ;;
        *) printf 'unknown option %s\n' "$argument" >&2; exit 2 ;;
    esac
done

say "compiler, linker and standard library"
c_compiler
standard_library
if [ -n "$build" ]; then
    say "the addon and the command line"
    # One build, so that both are made from the same engine.
    cargo build --profile "$profile" --target "$target" -p agentos-node -p agentos-cli
fi
node sdk/typescript/scripts/addon.mjs --copy-only --profile "$profile" --target "$target"

# The newest version of glibc that a file asks for, as `2.17`. What this objdump does not know of newer files is of no interest.
glibc_of() { "$objdump" -T "$1" 2>/dev/null | grep -o 'GLIBC_[0-9.]*' | sed s/GLIBC_// | sort -Vu | tail -n 1; }
# Node.js 20 for arm64 needs this one itself.
floor=2.28
for file in "$built/libagentos_node.so" "$built/agentos"; do
    needed=$(glibc_of "$file")
    [ "$(printf '%s\n' "$needed" "$floor" | sort -V | tail -n 1)" = "$floor" ] || {
        printf '%s needs glibc %s, and Node.js no more than %s\n' "$file" "$needed" "$floor" >&2
        exit 1
    }
    say "$(basename "$file") needs glibc $needed"
done

if [ -z "$tests" ]; then
    npm_ci=(npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    packs=$(realpath -m "${CARGO_TARGET_DIR:-target}")/arm64-packs
    rm -rf "$packs"
    ADDON=none PACKS=$packs source tests/packs.sh
    say "packs in $packs"
    exit
fi
emulation
export AGENTOS_STORE=$kept/no-store XDG_CACHE_HOME=$kept/cache

say "the command line"
agentos=("${emulator[@]}" "$built/agentos")
expect() { # expect STATUS TEXT COMMAND...: ends so, and prints a text that has this in it
    local status=0 printed
    printed=$("${@:3}" 2>&1) || status=$?
    [ "$status" = "$1" ] && [[ $printed == *"$2"* ]] || {
        printf '%s\nended with %s, wanted %s and "%s"\n%s\n' "${*:3}" "$status" "$1" "$2" "$printed" >&2
        exit 1
    }
}
expect 0 agentos "${agentos[@]}" --version
expect 0 "HELLO 3" "${agentos[@]}" run -c 'echo hello $((1 + 2)) | tr a-z A-Z'
expect 1 "this is linux on aarch64" "${agentos[@]}" doctor
# A program of Linux, and one line that says why it does not run.
mkdir -p "$kept/image"
cp "$built/agentos" "$kept/image/program"
expect 126 'native Linux programs are off on this machine: Linux on x86-64' "${agentos[@]}" run --image "$kept/image" /program

ADDON=none source tests/packs.sh
say "an application on arm64"
mkdir "$work/app"
cd "$work/app"
cp ../npmrc .npmrc
printf '{ "private": true, "type": "module" }' >package.json
npm install --cpu=arm64 --os=linux --libc=glibc --ignore-scripts --no-audit --no-fund --loglevel=error \
    @agentos/core @agentos/rivetkit @agentos/client @agentos/common zod@4
[ "$(echo node_modules/@agentos/native-*)" = node_modules/@agentos/native-linux-arm64-gnu ]
cp -r "$root/sdk/typescript/test/smoke.test.mjs" "$root/sdk/typescript/test/agents" .
for package in native core; do
    (cd "$root/sdk/typescript" && npx --no-install tsc -p "packages/$package/test/tsconfig.json")
    cp -r "$root/sdk/typescript/packages/$package/build/test" "$package-tests"
done
# An emulated process takes many times as long, and some tests measure time or memory of this one.
left_out='life|waiting|types'
for version in ${NODE_VERSIONS:-20}; do
    node_of "$version"
    what=$("$node" -p '`${process.version} for ${process.arch}`')
    say "Node.js $what: the smoke test"
    "$node" --test --test-timeout=600000 smoke.test.mjs
    say "tests of the addon and of the embedded VM"
    mapfile -t files < <(ls native-tests/*.test.js core-tests/*.test.js | grep -vE "/($left_out)\.test")
    "$node" --expose-gc --test --test-concurrency=1 --test-timeout=600000 "${files[@]}"
done
say "all passed"
