//! The C library that programs of Linux were made for, taken from the host.
//!
//! Packages of npm with programs in them expect the loader and the libraries of the GNU C and C++ runtimes and bring none.
//! Those of the host are copied into a layer when such a package is added, so that what a VM runs does not change with the
//! host. They lie below everything else: an image with libraries of its own has those and none of these.

use super::bounds::Bounds;
use super::error::{Error, Result};
use agentos_image::Cache;
use agentos_image::assembly::{Assembly, LayerId};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Libraries of the GNU C library, of which newer ones have fewer, of the runtimes of compilers, and those that programs of npm
/// and of agents are linked to besides (Codex).
const LIBRARIES: &[&str] = &[
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
    "libresolv.so.2",
    "libanl.so.1",
    "libnss_files.so.2",
    "libnss_dns.so.2",
    "libgcc_s.so.1",
    "libstdc++.so.6",
    "libatomic.so.1",
    "libz.so.1",
    "libssl.so.3",
    "libcrypto.so.3",
];
/// Those without which there is no use in the others.
const NEEDED: &[&str] = &["libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6"];
/// Largest library that is taken.
const LARGEST: u64 = 256 << 20;

/// The loader, and the word for the machine in names of directories.
fn loader() -> (&'static str, &'static str) {
    match std::env::consts::ARCH {
        "aarch64" => ("/lib/ld-linux-aarch64.so.1", "aarch64"),
        _ => ("/lib64/ld-linux-x86-64.so.2", "x86_64"),
    }
}

/// The layer of the host's libraries. `Err` of the inner result says what the host lacks.
pub(super) fn layer(host: &Path, cache: &Cache, bounds: &Bounds) -> Result<Result<LayerId, String>> {
    let (interpreter, machine) = loader();
    let folders = [
        format!("/usr/lib/{machine}-linux-gnu"),
        format!("/lib/{machine}-linux-gnu"),
        "/usr/lib64".to_owned(),
        "/lib64".to_owned(),
        "/usr/lib".to_owned(),
        "/lib".to_owned(),
    ];
    let below = |path: &str| host.join(path.trim_start_matches('/'));
    let mut assembly = Assembly::begin(cache, &bounds.image())?;
    let missing = |what: &str| {
        format!(
            "the host has no {what} of the GNU C library; programs of Linux in this software run in VMs with an image that has one"
        )
    };
    if !below(interpreter).is_file() {
        return Ok(Err(missing(interpreter)));
    }
    copy(&mut assembly, &below(interpreter), interpreter)?;
    for name in LIBRARIES {
        let found = folders.iter().find(|folder| below(folder).join(name).is_file());
        match found {
            Some(folder) => copy(&mut assembly, &below(folder).join(name), &format!("{folder}/{name}"))?,
            None if NEEDED.contains(name) => return Ok(Err(missing(name))),
            None => {}
        }
    }
    Ok(Ok(assembly.finish()?))
}

/// Puts a file of the host, links followed, where it is found in a VM: `/lib` is a link to `/usr/lib` there.
fn copy(assembly: &mut Assembly<'_>, from: &PathBuf, path: &str) -> Result<()> {
    let file = File::open(from).map_err(Error::host(from))?;
    let size = file.metadata().map_err(Error::host(from))?.len();
    Bounds::check(from.display(), size, LARGEST, "bytes", "library")?;
    let place = match path.strip_prefix("/lib/") {
        Some(rest) => format!("usr/lib/{rest}"),
        None => path.trim_start_matches('/').to_owned(),
    };
    Ok(assembly.file(&place, 0o755, file)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_lacks_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path().join("cache")).unwrap();
        let host = dir.path().join("host");
        let (interpreter, machine) = loader();
        let layer = || layer(&host, &cache, &Bounds::default()).unwrap();
        assert!(layer().unwrap_err().contains(interpreter));
        let put = |path: &str| {
            let path = host.join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "library").unwrap();
        };
        put(interpreter);
        assert!(layer().unwrap_err().contains("libc.so.6"));
        for name in NEEDED {
            put(&format!("/lib/{machine}-linux-gnu/{name}"));
        }
        let image = agentos_image::Image::assembled("a", &[layer().unwrap()], &cache).unwrap();
        let library = format!("/usr/lib/{machine}-linux-gnu/libc.so.6");
        assert_eq!(image.read(&library, 100).unwrap(), b"library");
    }
}
