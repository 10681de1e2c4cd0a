#!/usr/bin/env bash
# Test-suites of others on the host and in VMs: what passes there must pass here. `linux_suites/prepare.sh` fetches them into a temporary folder and
# installs nothing; `linux_suites/differences.txt` lists what is known to differ, and why. They are Python's own suite, as Debian packs it for the
# host's python3, those of GNU coreutils and of bash in the version of the host's Debian, and the tests of the crate `nix`, which calls most of what
# Linux offers. A suite that cannot be had is left out aloud.
#
# usage: tests/linux-suites.sh [AGENTOS] [--full] [--suite python|coreutils|bash|nix]... [--jobs N] [--keep FOLDER] [--only NAME]... [MODULE...]
#
# Without --full only what `linux_suites/quick.txt` names, which takes about a minute and a half. --keep leaves what was said in a folder. A MODULE is
# one of Python's suite.
set -euo pipefail
cd "$(dirname "$0")/.."
here=tests/linux_suites
agentos=${CARGO_TARGET_DIR:-target}/release/agentos
modules=() options=() suites=() full= keep=
while [ $# -gt 0 ]; do
    case $1 in
        --full) full=yes options+=(--all) ;;
        --suite) suites+=("$2") && shift ;;
        --keep) keep=$2 && shift ;;
        --only | --jobs) options+=("$1" "$2") && shift ;;
        test.*) modules+=("$1") ;;
        *) agentos=$1 ;;
    esac
    shift
done
if ! said=$("$agentos" run --image host -- /usr/bin/true 2>&1); then
    printf 'SKIPPED: no program of Linux runs here: %s: no test-suite of others was run\n' "$said"
    exit 0
fi
[ ${#modules[@]} = 0 ] || suites=(python)
[ ${#suites[@]} != 0 ] || suites=(python coreutils bash nix)
if [ ${#modules[@]} = 0 ]; then
    names=$(sed -n 's/^python\.//p' $here/quick.txt)
    [ -z "$full" ] || names+=" glob os posix mmap fcntl shutil tempfile pathlib pty select epoll subprocess socket selectors io venv signal
        multiprocessing_main_handling poll fork1 eintr"
    for name in $names; do modules+=("test.test_$name"); done
    [ -z "$full" ] || for name in events sock_lowlevel sendfile server streams subprocess unix_events; do modules+=("test.test_asyncio.test_$name"); done
    mapfile -t modules < <(printf '%s\n' "${modules[@]}" | awk '!seen[$0]++')
fi
[ -n "$full" ] || options+=(--chosen $here/quick.txt)

work=$(mktemp -d)
trap 'chmod -R u+rwX "$work"; rm -rf "$work"' EXIT
chmod 755 "$work"
differ=
for suite in "${suites[@]}"; do
    begun=$SECONDS of=()
    if ! $here/prepare.sh "$suite" "$work/$suite" 2>"$work/said"; then
        printf 'SKIPPED: %s: the test-suite of %s was not run\n' "$(tail -n 1 "$work/said")" "$suite"
        continue
    fi
    printf '%s: made ready in %s s\n' "$suite" $((SECONDS - begun))
    [ "$suite" != python ] || of=("${modules[@]}")
    [ -z "$keep" ] || of+=(--keep "$keep/$suite")
    /usr/bin/python3 $here/compare.py "${options[@]}" "$agentos" "$work/$suite" "${of[@]}" || differ+=" $suite"
    chmod -R u+rwX "$work/$suite" && rm -rf "${work:?}/$suite"
done
printf 'all in %s s\n' "$SECONDS"
[ -z "$differ" ] || { printf 'differences in%s\n' "$differ" && exit 1; }
