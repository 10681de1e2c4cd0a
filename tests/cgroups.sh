#!/usr/bin/env bash
# Control groups around VMs with Linux programs: boots a machine under an emulator that has cgroup v2 with all controllers, and runs
# crates/linux/tests/cgroups.rs there, as root and as a user with a delegated group.
#
# For x86-64 Linux with Debian's apt-get. The kernel is Debian's, of a release that has Linux 6.3 or later: it is downloaded, which apt
# checks, and kept below target/cgroups-tools. The emulator (qemu-system-x86) is installed if it is missing, which takes root. The machine has
# an initial file system in memory and nothing else: the tests, bash and a few programs of this host.
# PROFILE is the Cargo profile, `release` unless given; DEBIAN_RELEASE where the kernel is from, `trixie` unless given.
set -euo pipefail
cd "$(dirname "$0")/.."
kept=$(realpath -m "${CARGO_TARGET_DIR:-target}")/cgroups-tools
release=${DEBIAN_RELEASE:-trixie}
profile=${PROFILE:-release}
patience=${PATIENCE:-900}
say() { printf -- '--- %s (%s s)\n' "$1" "$SECONDS"; }
skip() { printf 'SKIPPED: %s: no control group was tested\n' "$1"; exit 0; }
[ "$(uname -sm)" = "Linux x86_64" ] || skip "this is $(uname -sm)"
for tool in apt-get dpkg-deb gcc ldd; do
    command -v $tool >/dev/null || skip "this host has no $tool"
done
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keyring" ] || skip "this host does not know the keys of Debian"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! command -v qemu-system-x86_64 >/dev/null; then
    [ "$(id -u)" = 0 ] || skip "qemu-system-x86 is not installed"
    say "the emulator"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends qemu-system-x86 >/dev/null
fi

# Debian's packages of another release, without a change to this host's own lists.
fetch() { # fetch DIRECTORY: puts the kernel and a shell there
    mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -m 1 '/debian/$' || true)}
    [ -n "$mirror" ] || { printf 'no Debian mirror is known: set DEBIAN_MIRROR\n' >&2; exit 1; }
    local apt=$work/apt kernel
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$release" >"$apt/sources.list"
    local options=(-qq -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$apt/lists"
        -o "Dir::Cache=$apt/cache" -o Acquire::Languages=none -o "APT::Sandbox::User=$(id -un)"
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
    apt-get "${options[@]}" update
    kernel=$(apt-cache "${options[@]}" depends linux-image-amd64 | sed -n 's/.*Depends: //p')
    (cd "$1" && apt-get "${options[@]}" download "$kernel" busybox-static)
    dpkg-deb --fsys-tarfile "$1"/linux-image-*.deb | tar -xO --wildcards './boot/vmlinuz-*' >"$1/vmlinuz"
    dpkg-deb --fsys-tarfile "$1"/busybox-static_*.deb | tar -xO ./usr/bin/busybox >"$1/busybox"
    chmod 755 "$1/busybox"
    rm "$1"/*.deb
}
if [ ! -d "$kept" ]; then
    say "a kernel of Debian $release"
    rm -rf "$kept.new"
    mkdir -p "$kept.new"
    fetch "$kept.new"
    mv "$kept.new" "$kept"
fi

say "the tests"
built=$(cargo test --quiet --profile "$profile" -p agentos-linux --test cgroups --no-run --message-format json |
    sed -n 's/.*"executable":"\([^"]*cgroups-[^"]*\)".*/\1/p' | tail -n 1)
[ -x "$built" ] || { printf 'the tests were not built\n' >&2; exit 1; }

say "the machine's file system"
root=$work/root
mkdir -p "$root"/{proc,sys,dev,tmp,etc,root,usr/bin,usr/lib,usr/lib64,usr/sbin}
for name in bin lib lib64 sbin; do ln -s "usr/$name" "$root/$name"; done
take() { # take FILE: a program of this host with its libraries
    local file library
    file=$(realpath "$1")
    cp "$file" "$root/usr/bin/$(basename "$1")"
    for library in $(ldd "$file" | grep -o '/[^ )]*'); do
        [ -e "$root$library" ] || cp --parents "$library" "$root"
    done
}
for program in bash sleep true setpriv; do take "$(type -P $program)"; done
[ ! -d /usr/lib/locale/C.utf8 ] || cp -r --parents /usr/lib/locale/C.utf8 "$root"
cp "$built" "$root/usr/bin/cgroups"
for library in $(ldd "$built" | grep -o '/[^ )]*'); do [ -e "$root$library" ] || cp --parents "$library" "$root"; done
gcc -O1 -static -o "$root/usr/bin/bomb" crates/linux/tests/cgroups/bomb.c
cp "$kept/busybox" "$root/usr/bin/busybox"
for name in sh mount mkdir chown cat echo poweroff stat; do ln -sf busybox "$root/usr/bin/$name"; done
cat >"$root/init" <<'INIT'
#!/usr/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo "kernel $(cat /proc/sys/kernel/osrelease), controllers $(cat /sys/fs/cgroup/cgroup.controllers)"
cd /sys/fs/cgroup
echo '+memory +pids +cpu' >cgroup.subtree_control
mkdir root user below beside
chown 1000:1000 user user/cgroup.procs user/cgroup.subtree_control user/cgroup.threads
export PATH=/usr/bin HOME=/tmp TMPDIR=/tmp RUST_BACKTRACE=1
run() { # run WHO GROUP WHERE COMMAND...: the tests in a group, with what the configuration says
    who=$1 group=$2 where=$3
    shift 3
    echo "--- $who"
    AGENTOS_TEST_CGROUP=$where sh -c 'echo $$ >"/sys/fs/cgroup/$0/cgroup.procs"; exec "$@"' "$group" "$@"
    echo "ENDED $who: $?"
}
tests='cgroups --ignored --test-threads=1'
run "root in a group of its own" root own $tests
run "root below another group" beside /sys/fs/cgroup/below $tests
run "a user with a delegated group" user auto /usr/bin/setpriv --reuid 1000 --regid 1000 --clear-groups --no-new-privs $tests
for group in root below user; do
    # The guardian of the last process has just seen its end, and an emulated machine takes its time.
    for _ in $(busybox seq 120); do
        left=$(echo /sys/fs/cgroup/$group/agentos-[0-9]*)
        [ -e "$left" ] || break
        sleep 0.5
    done
    echo "LEFT $group: $left"
done
poweroff -f
INIT
chmod 755 "$root/init"
(cd "$root" && find . | "$kept/busybox" cpio -o -H newc 2>/dev/null) >"$work/initrd"

say "the machine"
log=$work/log
timeout "$patience" qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 1536 -nographic -no-reboot -nic none \
    -kernel "$kept/vmlinuz" -initrd "$work/initrd" \
    -append 'console=ttyS0 loglevel=2 panic=-1 mitigations=off' </dev/null | tee "$log" || true
ended=$(grep -c '^ENDED .*: 0' "$log" || true)
left=$(grep -c '^LEFT .*\[0-9\]' "$log" || true)
if [ "$ended" != 3 ] || [ "$left" != 3 ]; then
    printf '%s of 3 runs passed, and %s of 3 left nothing\n' "$ended" "$left" >&2
    exit 1
fi
say "all passed"
