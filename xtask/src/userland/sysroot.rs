//! The sysroot: the packaged compiler's host library, the overlaid standard library source, the supplemented libc; and
//! the wrapper programs that make unpacked packages run from where they lie.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use super::paths::Paths;
use super::{libc, overlay, packages, sources};
use crate::error::{At, Error, Result};
use crate::run;

const HOST: &str = "x86_64-unknown-linux-gnu";
const GUEST: &str = "wasm32-wasip1";

/// Variable through which the compiler's wrapper takes further options.
pub(crate) const REMAP: &str = "AGENTOS_GUEST_REMAP";

/// A toolchain that is ready to use.
pub(crate) struct Sysroot;

/// Makes the sysroot what overlay and supplement say, doing only what is needed.
pub(crate) fn prepare(paths: &Paths) -> Result<Sysroot> {
    packages::unpack(paths)?;
    wrappers(paths)?;
    let sysroot = paths.sysroot();
    let rustlib = sysroot.join("lib/rustlib");
    fs::create_dir_all(&rustlib).at(&rustlib)?;
    let host = rustlib.join(HOST);
    if !host.exists() {
        symlink(paths.usr().join("lib/rustlib").join(HOST), &host).at(&host)?;
    }
    let std_overlay = paths.userland.join("std-overlay");
    when_changed(&sysroot.join("std.stamp"), &sources::digest(&std_overlay)?, || {
        library(paths, &std_overlay)
    })?;
    let supplement = paths.userland.join("libc");
    when_changed(&sysroot.join("libc.stamp"), &sources::digest(&supplement)?, || {
        libc::build(paths, &rustlib.join(GUEST).join("lib/self-contained"))
    })?;
    Ok(Sysroot)
}

/// Runs `make` unless `stamp` holds `digest` already.
fn when_changed(stamp: &Path, digest: &str, make: impl FnOnce() -> Result<()>) -> Result<()> {
    if fs::read_to_string(stamp).is_ok_and(|held| held == digest) {
        return Ok(());
    }
    make()?;
    fs::write(stamp, digest).at(stamp)
}

/// Copies the packaged library source and overlays it. Files that come out as they were keep their old times, so that a
/// small change of the overlay does not look like a new standard library.
fn library(paths: &Paths, std_overlay: &Path) -> Result<()> {
    let source = packaged_library(paths)?;
    let folder = paths.sysroot().join("lib/rustlib/src/rust");
    let fresh = folder.join("library.new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).at(&fresh)?;
    }
    fs::create_dir_all(&folder).at(&folder)?;
    run::run(Command::new("cp").arg("-a").arg(source.join("library")).arg(&fresh))?;
    overlay::apply(std_overlay, &fresh)?;
    let library = folder.join("library");
    if library.exists() {
        fs::remove_dir_all(&library).at(&library)?;
    }
    fs::rename(&fresh, &library).at(&library)
}

fn packaged_library(paths: &Paths) -> Result<std::path::PathBuf> {
    let src = paths.usr().join("src");
    for entry in fs::read_dir(&src).at(&src)? {
        let path = entry.at(&src)?.path();
        if path.join("library/std").is_dir() {
            return Ok(path);
        }
    }
    Err(Error::Format {
        path: src,
        detail: "rust-web-src holds no standard library".to_owned(),
    })
}

fn wrappers(paths: &Paths) -> Result<()> {
    let usr = paths.usr();
    let usr = usr.display();
    let llvm = packages::LLVM;
    let sysroot = paths.sysroot();
    let cflags = libc::CFLAGS.join(" ");
    let programs = [
        (
            "guest-rustc",
            format!("{usr}/bin/rustc --sysroot {} ${REMAP}", sysroot.display()),
        ),
        ("wasm-ld", format!("{usr}/lib/llvm-{llvm}/bin/wasm-ld")),
        (
            "guest-cc",
            format!(
                "{usr}/bin/clang-{llvm} {cflags} -isystem {} -isystem {usr}/include/wasm32-wasi",
                paths.headers().display()
            ),
        ),
        ("guest-ar", format!("{usr}/bin/llvm-ar-{llvm}")),
    ];
    let bin = paths.toolchain.join("bin");
    fs::create_dir_all(&bin).at(&bin)?;
    for (name, command) in programs {
        let path = bin.join(name);
        let script = format!(
            "#!/bin/sh\nLD_LIBRARY_PATH={} exec {command} \"$@\"\n",
            paths.libraries()
        );
        if fs::read_to_string(&path).is_ok_and(|held| held == script) {
            continue;
        }
        fs::write(&path, script).at(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).at(&path)?;
    }
    Ok(())
}
