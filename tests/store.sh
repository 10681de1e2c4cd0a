#!/usr/bin/env bash
# Real packages of npm in a store of the test's own: command packages of another system in both generations (`commandDir` and
# `.aospkg`), whose programs run in VMs, start each other, and do what those of this machine do with the scripts of tests/store;
# a package with an install script, refused without a word for it and run in a VM with one; and everything again without a
# registry. Takes the program to test. Needs npm's registry.
set -euo pipefail
cd "$(dirname "$0")/.."
agentos=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/agentos}")
cases=$PWD/tests/store
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export AGENTOS_STORE=$work/store
cd "$work"

# is WHAT EXPECTED GOT: fails unless they are the same.
is() {
    [ "$2" = "$3" ] || { printf '%s: expected %s, got %s\n' "$1" "$2" "$3" >&2; exit 1; }
    printf 'ok   %s\n' "$1"
}

# has WHAT PART GOT: fails unless the part is in it.
has() {
    case $3 in
        *"$2"*) printf 'ok   %s\n' "$1" ;;
        *) printf '%s: no %s in %s\n' "$1" "$2" "$3" >&2; exit 1 ;;
    esac
}

version=0.0.260331072558
scope=npm:@rivet-dev/agent-os
printf '== command packages\n'
"$agentos" software add "$scope-tree@$version" "$scope-jq@$version" "$scope-grep@$version" "$scope-coreutils@$version" 2>err \
    || { cat err >&2; exit 1; }
run() {
    "$agentos" run --software "$scope-tree@$version" --software "$scope-jq@$version" --software "$scope-grep@$version" \
        --software "$scope-coreutils@$version" -c "$1"
}
is 'their files are where npm has them' /usr/local/bin/jq "$(run 'command -v /usr/local/bin/jq')"
is 'jq reads what it is given' '2 b' "$(run "echo '{\"a\":[1,2],\"b\":\"b\"}' | /usr/local/bin/jq -r '\"\\(.a[1]) \\(.b)\"'")"
is 'grep reads files' '2:beta' "$(run 'printf "alpha\nbeta\n" > w && /usr/local/bin/grep -n et w')"
has 'tree shows directories' '1 directory, 1 file' "$(run 'mkdir -p t/u && touch t/u/f && /usr/local/bin/tree t/u/.. | tail -1')"
is 'env starts programs (proc_spawn)' 'x=1' "$(run '/usr/local/bin/env -i x=1 /usr/local/bin/env')"
is 'nice starts programs that start programs (proc_spawn, proc_waitpid)' 'a b' \
    "$(run '/usr/local/bin/nice /usr/local/bin/env A=a /usr/local/bin/nohup /usr/local/bin/printf "%s %s" a b')"
is 'its shell has pipes' '3 4' "$(run '/usr/local/bin/sh -c "echo a b c | cat | wc -w; exit 4" 2>/dev/null; echo $?' | tr '\n' ' ' | sed 's/ $//')"
is 'timeout ends what takes too long' 124 "$(run '/usr/local/bin/timeout 0.2 /usr/local/bin/sleep 60; echo $?')"
is 'exit codes of children are told' '5 9' \
    "$(run '/usr/local/bin/nice /usr/local/bin/sh -c "exit 5"; echo $?; /usr/local/bin/timeout 60 /usr/local/bin/sh -c "exit 9"; echo $?' | tr '\n' ' ' | sed 's/ $//')"

printf '== the later generation, as this machine does it\n'
later=npm:@agentos-software/common@0.2.21
"$agentos" software add "$later" 2>err || { cat err >&2; exit 1; }
for case in "$cases"/*.sh; do
    name=$(basename "$case" .sh)
    mkdir "$name"
    expected=$(cd "$name" && LC_ALL=C bash "$case" 2>/dev/null; echo "exit code $?")
    # The packages' own shell runs it, and what it starts are the packages' programs.
    got=$("$agentos" run --software "$later" -c \
        'export LC_ALL=C PATH=/usr/local/bin:$PATH; exec /usr/local/bin/bash -s' <"$case" 2>err; echo "exit code $?")
    if [ "$expected" != "$got" ]; then
        diff <(printf '%s\n' "$expected") <(printf '%s\n' "$got") >&2 || cat err >&2
        exit 1
    fi
    printf 'ok   %s: %s lines\n' "$name" "$(wc -l <<<"$got")"
done

printf '== install scripts\n'
"$agentos" software add npm:esbuild@0.25.0 2>err || { cat err >&2; exit 1; }
has 'a script that nobody allowed is told of' 'install scripts of esbuild were not run' "$(cat err)"
if "$agentos" software add npm:esbuild@0.25.0 --allow-scripts esbuil 2>err; then
    printf 'an unknown name was taken\n' >&2
    exit 1
fi
has 'an unknown name is refused' 'did you mean esbuild?' "$(cat err)"
"$agentos" software add npm:esbuild@0.25.0 --allow-scripts esbuild --json >added 2>err || { cat err >&2; exit 1; }
has 'a script that was allowed runs in a VM' 'esbuild@0.25.0: postinstall script in a VM' "$(cat err)"
has 'and is written down' '"scripts"' "$(cat added)"
has 'also in the lock file' '"command": "node install.js"' "$(cat "$AGENTOS_STORE"/packages/*esbuild*.lock)"
is 'what it made works' 0.25.0 "$("$agentos" run --software npm:esbuild@0.25.0 -c 'esbuild --version')"

printf '== without a registry\n'
export npm_config_registry=http://127.0.0.1:1/
is 'what was added is there' 0.25.0 "$("$agentos" run --software npm:esbuild@0.25.0 -c 'esbuild --version')"
has 'and whole' ok "$("$agentos" software verify)"
