#!/usr/bin/env bash
# Python's own test-suite, as Debian packs it for the host's python3, on the host and in VMs: what passes there must pass here. The package is
# downloaded and unpacked into a temporary folder, never installed. linux_suites/differences.txt lists what is known to differ, and why.
#
# usage: tests/linux-suites.sh [AGENTOS] [--full] [--keep FOLDER] [--only NAME] [MODULE...]
#
# Without --full only modules run that together take about a minute. --keep leaves what was said in a folder.
set -euo pipefail
cd "$(dirname "$0")/.."
agentos=${CARGO_TARGET_DIR:-target}/release/agentos
modules=() options=() full=
while [ $# -gt 0 ]; do
    case $1 in
        --full) full=yes options+=(--all) ;;
        --keep | --only | --jobs) options+=("$1" "$2") && shift ;;
        test.*) modules+=("$1") ;;
        *) agentos=$1 ;;
    esac
    shift
done
# Why nothing is compared, said aloud.
leave() { printf 'SKIPPED: %s: the test-suite of Python was not run\n' "$1" && exit 0; }
for program in /usr/bin/python3 /usr/bin/apt-get /usr/bin/dpkg; do [ -x $program ] || leave "this host has no $program"; done
said=$("$agentos" run --image host -- /usr/bin/true 2>&1) || leave "no program of Linux runs here: $said"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
# As root apt-get would look for a user of its own that may not read the folder, and say so.
(cd "$work" && apt-get -q -o APT::Sandbox::User=root download "libpython$version-testsuite") >"$work/said" 2>&1 ||
    leave "$(tail -n 1 "$work/said")"
dpkg -x "$work"/libpython*.deb "$work/unpacked"
# What the tests share with each other is in the package of the standard library.
mkdir "$work/suite"
cp -r "/usr/lib/python$version/test" "$work/suite/test"
cp -r "$work/unpacked/usr/lib/python$version/test/." "$work/suite/test"
cp tests/linux_suites/tests.py "$work/suite"
chmod -R a+rX "$work/suite"

if [ ${#modules[@]} = 0 ]; then
    names=(glob os posix mmap fcntl shutil tempfile pathlib pty select epoll)
    [ -z "$full" ] || names+=(subprocess socket selectors io venv signal multiprocessing_main_handling poll fork1 eintr)
    for name in "${names[@]}"; do modules+=("test.test_$name"); done
    [ -z "$full" ] || for name in events sock_lowlevel sendfile server streams subprocess unix_events; do modules+=("test.test_asyncio.test_$name"); done
fi
/usr/bin/python3 tests/linux_suites/compare.py "${options[@]}" "$agentos" "$work/suite" "${modules[@]}"
