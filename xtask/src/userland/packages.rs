//! Debian packages, fetched with apt and unpacked to a private prefix.
//!
//! The only packaged source of a compiler with a `wasm32-wasip1` standard library of its own version is what
//! distributions keep for building browsers. Nothing is installed on the machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::paths::Paths;
use crate::error::{At, Error, Result};
use crate::run;

/// Version of LLVM that the package names carry.
pub(crate) const LLVM: &str = "22";

/// Packages with fixed names. The versioned standard library is found from its meta package.
const PACKAGES: &[&str] = &[
    "rustc-web",
    "libstd-rust-web-dev",
    "rust-web-src",
    "wasi-libc",
    "libllvm22",
    "lld-22",
    "clang-22",
    "llvm-22",
    "libclang-cpp22",
    "libclang1-22",
    "libclang-common-22-dev",
    "libclang-rt-22-dev-wasm32",
];

/// Packages whose versions the manifest records.
const RECORDED: &[&str] = &["rustc-web", "rust-web-src", "wasi-libc", "lld-22", "clang-22"];

/// Fetches and unpacks what is missing.
pub(crate) fn unpack(paths: &Paths) -> Result<()> {
    if paths.usr().join("bin/rustc").exists() && paths.usr().join("bin/clang-22").exists() {
        return Ok(());
    }
    let debs = paths.toolchain.join("debs");
    fs::create_dir_all(&debs).at(&debs)?;
    let names = PACKAGES.iter().map(|p| (*p).to_owned()).chain([versioned_std()?]);
    run::run(Command::new("apt-get").arg("download").args(names).current_dir(&debs))?;
    let root = paths.toolchain.join("root");
    fs::create_dir_all(&root).at(&root)?;
    for deb in archives(&debs)? {
        run::run(Command::new("dpkg").arg("-x").arg(&deb).arg(&root))?;
    }
    Ok(())
}

/// Versions of the fetched packages, by name.
pub(crate) fn versions(paths: &Paths) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for deb in archives(&paths.toolchain.join("debs"))? {
        let fields = run::output(Command::new("dpkg-deb").arg("-W").arg(&deb))?;
        if let Some((name, version)) = fields.trim().split_once('\t')
            && RECORDED.contains(&name)
        {
            found.insert(name.to_owned(), version.to_owned());
        }
    }
    Ok(found)
}

/// Name of the package that `libstd-rust-web-dev` depends on, which carries the compiler's version.
fn versioned_std() -> Result<String> {
    let text = run::output(Command::new("apt-cache").args(["depends", "libstd-rust-web-dev"]))?;
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with("libstd-rust-web-"))
        .map(str::to_owned)
        .ok_or_else(|| Error::Usage("apt offers no libstd-rust-web package; see userland/README.md".to_owned()))
}

fn archives(debs: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(debs).at(debs)? {
        let path = entry.at(debs)?.path();
        if path.extension().is_some_and(|e| e == "deb") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
