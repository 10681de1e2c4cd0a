//! Files and hashes.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{At, Result};

/// Folders that hold results or tests, never sources of a program.
const SKIPPED: &[&str] = &["target", "tests", ".git"];

/// All regular files below `folder`, sorted by path.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_path_buf()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(&dir).at(&dir)? {
            let entry = entry.at(&dir)?;
            let kind = entry.file_type().at(entry.path())?;
            if kind.is_dir() && !SKIPPED.iter().any(|s| entry.file_name() == *s) {
                pending.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Hash over the names and contents of all files below `folder`; documentation does not count.
pub(crate) fn digest(folder: &Path) -> Result<String> {
    digest_without(folder, SKIPPED[0])
}

/// The same, without what lies below a folder called `skipped` either.
pub(crate) fn digest_without(folder: &Path, skipped: &str) -> Result<String> {
    let mut hash = Sha256::new();
    for path in files(folder)? {
        let inside = path.strip_prefix(folder).unwrap_or(&path);
        if inside.components().any(|part| part.as_os_str() == skipped) {
            continue;
        }
        if path.extension().is_some_and(|e| e == "md") {
            continue;
        }
        let name = path.strip_prefix(folder).unwrap_or(&path);
        let content = sha256(&fs::read(&path).at(&path)?);
        hash.update(format!("{content} {}\n", name.display()));
    }
    Ok(hex(&hash.finalize()))
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
