#!/usr/bin/env bash
# Makes ready a test-suite of others: fetches it, never installs anything, and writes what `compare.py` runs into FOLDER.
#
# usage: prepare.sh python|coreutils|bash|nix FOLDER
#
# Where that cannot be, the last line on standard error says why, and the status is 3.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
suite=$1 folder=$2
leave() { printf '%s\n' "$1" >&2 && exit 3; }
for program in /usr/bin/python3 /usr/bin/apt-get /usr/bin/dpkg; do [ -x $program ] || leave "this host has no $program"; done
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
fetched=$(mktemp -d)
trap 'rm -rf "$fetched"' EXIT

# The source of a package as its authors made it, in the version of this host's release of Debian. Lists of sources are fetched to a folder of
# their own, from where this host has its packages; `apt` of the host is left as it is.
source_of() {
    local release keys= apt="$fetched/apt" debian=/usr/share/keyrings/debian-archive-keyring.gpg
    [ ! -r $debian ] || keys="[signed-by=$debian] "
    release=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
        awk -v release="$release" -v keys="$keys" '$2 == release && $3 == "main" { print "deb-src " keys $0; exit }' >"$apt/sources.list"
    [ -s "$apt/sources.list" ] || leave "this host's packages are not from Debian"
    local options=(-q -o APT::Sandbox::User=root -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache")
    apt-get "${options[@]}" update >"$fetched/said" 2>&1 || leave "$(tail -n 1 "$fetched/said")"
    (cd "$fetched" && apt-get "${options[@]}" source --download-only "$1") >"$fetched/said" 2>&1 || leave "$(tail -n 1 "$fetched/said")"
    mkdir "$folder/source"
    tar -C "$folder/source" --strip-components=1 --no-same-owner -xf "$fetched/$1"_*.orig.tar.*
}

# Python's suite, as Debian packs it for the host's python3. What the tests share with each other is in the package of the standard library.
prepare_python() {
    local version
    version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    # As root apt-get would look for a user of its own that may not read the folder, and say so.
    (cd "$fetched" && apt-get -q -o APT::Sandbox::User=root download "libpython$version-testsuite") >"$fetched/said" 2>&1 ||
        leave "$(tail -n 1 "$fetched/said")"
    dpkg -x "$fetched"/libpython*.deb "$fetched/unpacked"
    cp -r "/usr/lib/python$version/test" "$folder/test"
    cp -r "$fetched/unpacked/usr/lib/python$version/test/." "$folder/test"
    cp "$here/tests.py" "$folder"
}

# The suite of coreutils, with the host's programs in place of built ones.
prepare_coreutils() {
    [ -x /usr/bin/perl ] || leave "this host has no /usr/bin/perl"
    source_of coreutils
    mv "$folder/source" "$folder/coreutils"
    # Copies of the host's programs in the place of built ones, for no link leads out of a mount. One that traces is hidden: it never runs in a VM.
    local name path programs=
    mkdir "$folder/src"
    for path in $(dpkg -L coreutils | grep -E '^(/usr)?/s?bin/.'); do
        name=${path##*/}
        cp -L "$path" "$folder/src/$name"
        programs+="$name "
    done
    cp "$folder/src/install" "$folder/src/ginstall"
    cp "$here/getlimits.py" "$folder/src/getlimits"
    printf '#!/bin/sh\nexit 1\n' >"$folder/src/strace"
    chmod 755 "$folder/src/getlimits" "$folder/src/strace"
    # What tests ask of the configuration that the programs were built with.
    for name in UTIMENSAT LUTIMES LINKAT INOTIFY PTHREAD_T SETGROUPS MNTENT_H GETMNTENT; do echo "#define HAVE_$name 1"; done >"$folder/config.h"
    printf '#define USE_XATTR 1\n#define USE_ACL 1\n' >>"$folder/config.h"
    cat >"$folder/variables" <<END
PATH=@SUITE@/src:/usr/local/bin:/usr/bin:/bin
LC_ALL=C
VERSION=$(/usr/bin/ls --version | sed -n '1s/.* //p')
PACKAGE_VERSION=$(/usr/bin/ls --version | sed -n '1s/.* //p')
LOCALE_FR=none
LOCALE_FR_UTF8=none
abs_top_builddir=@SUITE@
abs_top_srcdir=@SUITE@/coreutils
top_srcdir=@SUITE@/coreutils
abs_srcdir=@SUITE@/coreutils
srcdir=@SUITE@/coreutils
built_programs=$programs
fail=0
host_os=linux-gnu
host_triplet=x86_64-pc-linux-gnu
CONFIG_HEADER=@SUITE@/config.h
CC=cc
AWK=awk
EGREP=grep -E
EXEEXT=
MAKE=make
PERL=/usr/bin/perl
SHELL=/bin/bash
END
    local path run
    (cd "$folder/coreutils" && find tests -mindepth 2 \( -name '*.sh' -o -name '*.pl' -o -name '*.xpl' \) | LC_ALL=C sort) | while read -r path; do
        case $path in
            *.sh) run="/bin/bash @SUITE@/coreutils/$path" ;;
            *.pl) run="/usr/bin/perl -w -I@SUITE@/coreutils/tests -MCuSkip -MCoreutils '-MCuTmpdir qw($(basename "$path"))' @SUITE@/coreutils/$path" ;;
            *.xpl) run="/usr/bin/perl -T -w -I@SUITE@/coreutils/tests -MCuSkip -MCoreutils '-MCuTmpdir qw($(basename "$path"))' @SUITE@/coreutils/$path" ;;
        esac
        printf 'coreutils.%s\tunset LANGUAGE COLUMNS TERM TMPDIR; CU_TEST_NAME=%s; export CU_TEST_NAME; exec 9>&2; exec %s\n' \
            "${path#tests/}" "$(basename "$path")" "$run"
    done >"$folder/items"
}

# The suite of bash. A test prints what differs from what it should print, and its status is that of the comparison. Where it fails on the host (for
# want of a locale, or by changes of Debian) it has to print the same in a VM.
prepare_bash() {
    command -v cc >/dev/null || leave "this host has no C compiler"
    source_of bash
    mv "$folder/source" "$folder/bash"
    local name
    touch "$fetched/config.h"
    for name in recho zecho printenv xcase; do
        cc -w -DHAVE_STRING_H -DHAVE_STDLIB_H -DHAVE_UNISTD_H -I"$fetched" -I"$folder/bash" -I"$folder/bash/include" \
            -o "$folder/bash/tests/$name" "$folder/bash/support/$name.c" 2>"$fetched/said" || leave "$name: $(tail -n 1 "$fetched/said")"
    done
    cat >"$folder/variables" <<END
PATH=.:@SUITE@/bash/tests:/usr/local/bin:/usr/bin:/bin
THIS_SH=/bin/bash
LC_ALL=
LANG=C.UTF-8
SAME=yes
END
    # Tests write beside what they read, so each has a copy.
    (cd "$folder/bash/tests" && ls run-*) | grep -v -e run-all -e run-minimal -e run-gprof | while read -r name; do
        printf 'bash.%s\tcp -r @SUITE@/bash/tests t && cd t && BUILD_DIR=$PWD BASH_TSTOUT=$TMPDIR/said && export BUILD_DIR BASH_TSTOUT && exec /bin/sh ./%s\n' "$name" "$name"
    done >"$folder/items"
}

# The tests of a crate that wraps system calls, built here and run one by one.
prepare_nix() {
    command -v cargo >/dev/null || leave "this host has no cargo"
    command -v cc >/dev/null || leave "this host has no C compiler"
    local version=0.32.0 from
    mkdir -p "$fetched/asks/src" && touch "$fetched/asks/src/lib.rs"
    printf '[package]\nname = "asks"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\nnix = "=%s"\n[workspace]\n' "$version" >"$fetched/asks/Cargo.toml"
    (cd "$fetched/asks" && cargo fetch) >"$fetched/said" 2>&1 || leave "$(tail -n 1 "$fetched/said")"
    from=$(cd "$fetched/asks" && cargo metadata --format-version 1 --offline | tr ',' '\n' | sed -n 's/^"manifest_path":"\(.*\/nix-[0-9.]*\)\/Cargo.toml".*/\1/p' | head -n 1)
    cp -r "$from" "$fetched/nix"
    chmod -R u+w "$fetched/nix"
    (cd "$fetched/nix" && CARGO_TARGET_DIR=$fetched/built CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0 cargo test --all-features --no-run --test test --message-format json) >"$fetched/told" 2>"$fetched/said" ||
        leave "$(tail -n 1 "$fetched/said")"
    cp "$(sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$fetched/told" | tail -n 1)" "$folder/tests"
    printf 'RUST_BACKTRACE=0\n' >"$folder/variables"
    "$folder/tests" --list 2>/dev/null | sed -n 's/: test$//p' | while read -r name; do
        printf 'nix.%s\texec @SUITE@/tests --exact %s --test-threads 1\n' "$name" "$name"
    done >"$folder/items"
}

"prepare_$suite"
[ "$suite" = python ] || cp "$here/items.py" "$folder"
chmod -R a+rX "$folder"
