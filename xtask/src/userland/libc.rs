//! The libc supplement: our C compiled into a copy of the packaged libc, our headers, and our program entry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::paths::Paths;
use super::sources;
use crate::error::{At, Result};
use crate::run;

/// Flags of every guest C compilation, ours and that of crates with C inside.
pub(crate) const CFLAGS: &[&str] = &["--target=wasm32-wasi", "-Wno-deprecated"];

const OWN_CFLAGS: &[&str] = &["-Wall", "-Wextra", "-Werror", "-Os"];

/// The object that becomes the program entry instead of going into the archive.
const ENTRY: &str = "crt1.c";

/// Writes `libc.a` and `crt1-command.o` into `out`.
pub(crate) fn build(paths: &Paths, out: &Path) -> Result<()> {
    let folder = paths.userland.join("libc");
    let work = paths.toolchain.join("obj");
    fs::create_dir_all(&work).at(&work)?;
    fs::create_dir_all(out).at(out)?;
    headers(&folder.join("include"), &paths.headers())?;
    let mut objects = Vec::new();
    for source in sources::files(&folder)? {
        if source.extension().is_some_and(|e| e == "c") {
            let object = compile(paths, &folder, &source, &work)?;
            if source.ends_with(ENTRY) {
                let entry = out.join("crt1-command.o");
                fs::copy(&object, &entry).at(&entry)?;
            } else {
                objects.push(object);
            }
        }
    }
    let members = folder.join("MEMBERS");
    let removed = fs::read_to_string(&members).at(&members)?;
    let archive = out.join("libc.a");
    fs::copy(paths.usr().join("lib/wasm32-wasi/libc.a"), &archive).at(&archive)?;
    let ar = paths.bin("guest-ar");
    run::run(
        Command::new(&ar)
            .arg("dD")
            .arg(&archive)
            .args(removed.split_whitespace()),
    )?;
    run::run(Command::new(&ar).arg("rcsD").arg(&archive).args(&objects))
}

/// Copies our headers to where the compiler's wrapper looks first.
fn headers(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to).at(to)?;
    }
    run::run(Command::new("cp").arg("-R").arg(from).arg(to))
}

fn compile(paths: &Paths, folder: &Path, source: &Path, work: &Path) -> Result<PathBuf> {
    let stem = source.file_stem().unwrap_or_default().to_string_lossy();
    let object = work.join(format!("agentos_{stem}.o"));
    run::run(
        Command::new(paths.bin("guest-cc"))
            .args(OWN_CFLAGS)
            .arg(format!("-ffile-prefix-map={}=libc", folder.display()))
            .arg("-c")
            .arg(source)
            .arg("-o")
            .arg(&object),
    )?;
    Ok(object)
}
