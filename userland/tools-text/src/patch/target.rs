//! Which file a patch is for.

use super::options::Options;
use super::parse::FilePatch;
use crate::io::path as path_of;
use crate::platform::PermissionsExt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file to patch.
pub struct Target {
    /// Where the result goes.
    pub path: PathBuf,
    /// Where the text comes from.
    pub source: PathBuf,
    /// The patch makes the file, or removes it.
    pub creates: bool,
    pub deletes: bool,
}

/// The file that `patch` is for; `None` when none can be found.
pub fn choose(patch: &FilePatch, options: &Options) -> Option<Target> {
    let nowhere = |name: &Option<Vec<u8>>| name.as_deref() == Some(b"/dev/null");
    let empty = |new: bool| patch.hunks.len() == 1 && patch.hunks[0].side(new).is_empty();
    let creates = nowhere(&patch.old_name) || patch.creates || (empty(false) && patch.hunks[0].old_start <= 1);
    let deletes = nowhere(&patch.new_name) || patch.deletes;
    if let Some(name) = &options.original {
        let path = PathBuf::from(name);
        return Some(Target {
            source: path.clone(),
            path,
            creates,
            deletes,
        });
    }
    if let Some((from, to)) = &patch.rename {
        let strip = options.strip.unwrap_or(1).saturating_sub(1);
        let (from, to) = if options.reverse { (to, from) } else { (from, to) };
        let (from, to) = (stripped(from, Some(strip))?, stripped(to, Some(strip))?);
        return from.exists().then_some(Target {
            source: from,
            path: to,
            creates: false,
            deletes: false,
        });
    }
    let names: Vec<&Vec<u8>> = [&patch.old_name, &patch.new_name, &patch.index_name]
        .into_iter()
        .flatten()
        .collect();
    let names = names.into_iter().filter(|name| name.as_slice() != b"/dev/null");
    let candidates: Vec<PathBuf> = names.filter_map(|name| stripped(name, options.strip)).collect();
    let length = |path: &Path| path.as_os_str().len();
    let key = |path: &PathBuf| {
        (
            path.components().count(),
            path.file_name().map_or(0, |name| name.len()),
            length(path),
        )
    };
    let existing = candidates
        .iter()
        .filter(|path| path.is_file())
        .min_by_key(|path| key(path));
    let makes = if options.reverse { deletes } else { creates };
    let path = match existing {
        Some(path) => path.clone(),
        None if makes => candidates.iter().min_by_key(|path| key(path))?.clone(),
        None => return None,
    };
    Some(Target {
        source: path.clone(),
        path,
        creates,
        deletes,
    })
}

/// A name without its first components, or its last component only; `None` for one that leads elsewhere.
fn stripped(name: &[u8], strip: Option<usize>) -> Option<PathBuf> {
    let mut rest = name;
    match strip {
        None => rest = rest.rsplit(|&b| b == b'/').next().unwrap_or(rest),
        Some(count) => {
            for _ in 0..count {
                let slash = rest.iter().position(|&b| b == b'/')?;
                rest = &rest[slash + 1..];
                while rest.starts_with(b"/") {
                    rest = &rest[1..];
                }
            }
        }
    }
    let leads_out = rest.starts_with(b"/") || rest.split(|&b| b == b'/').any(|part| part == b"..");
    (!rest.is_empty() && !leads_out).then(|| path_of(rest))
}

/// Replaces a file by a new one of the same name, so that other links to it stay.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
        return Err(io::Error::other("is not a regular file -- refusing to patch"));
    }
    fs::write(path, bytes)
}

/// Sets or clears the execute bits.
pub fn set_executable(path: &Path, executable: bool) {
    if let Ok(meta) = fs::metadata(path) {
        let mode = meta.permissions().mode();
        let mode = if executable {
            mode | (mode & 0o444) >> 2
        } else {
            mode & !0o111
        };
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode));
    }
}

/// Removes the folders above a removed file as long as they are empty.
pub fn remove_empty_folders(path: &Path) {
    let mut folder = path.parent();
    while let Some(current) = folder.filter(|folder| !folder.as_os_str().is_empty()) {
        if fs::remove_dir(current).is_err() {
            return;
        }
        folder = current.parent();
    }
}
