//! Filesystems: their sizes, and where they are mounted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use agentos_tools_base::io::os;
use agentos_tools_base::platform::MetadataExt;

/// Sizes of a filesystem, in its blocks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Filesystem {
    pub(crate) kind: u64,
    pub(crate) block_size: u64,
    pub(crate) blocks: u64,
    pub(crate) free: u64,
    pub(crate) available: u64,
    pub(crate) files: u64,
    pub(crate) files_free: u64,
    pub(crate) name_max: u64,
}

/// The filesystem that holds a file.
pub(crate) fn of(path: &Path) -> io::Result<Filesystem> {
    let found = agentos_guest::fs::statfs(agentos_guest::fs::Target::Follow(path))?;
    Ok(Filesystem {
        kind: found.kind,
        block_size: found.bsize.max(1),
        blocks: found.blocks,
        free: found.bfree,
        available: found.bavail,
        files: found.files,
        files_free: found.ffree,
        name_max: found.namelen,
    })
}

/// Name of a type of filesystem by its magic number.
pub(crate) fn kind_name(kind: u64) -> String {
    match kind {
        0x0102_1994 => "tmpfs".to_owned(),
        0x9fa0 => "proc".to_owned(),
        0x6265_6572 => "sysfs".to_owned(),
        0x1cd1 => "devpts".to_owned(),
        0x794c_7630 => "overlayfs".to_owned(),
        0x6573_5546 => "fuseblk".to_owned(),
        0xef53 => "ext2/ext3".to_owned(),
        0x0102_1997 => "v9fs".to_owned(),
        other => format!("UNKNOWN (0x{other:x})"),
    }
}

/// A line of `/proc/mounts`.
#[derive(Debug, Clone)]
pub(crate) struct Mount {
    pub(crate) source: String,
    pub(crate) point: PathBuf,
    pub(crate) kind: String,
    pub(crate) options: String,
}

/// What is mounted.
pub(crate) fn mounts() -> Vec<Mount> {
    let text = fs::read("/proc/mounts").unwrap_or_default();
    String::from_utf8_lossy(&text).lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<Mount> {
    let mut fields = line.split(' ');
    let (source, point, kind, options) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    Some(Mount {
        source: String::from_utf8_lossy(&unescaped(source)).into_owned(),
        point: PathBuf::from(os(unescaped(point))),
        kind: kind.to_owned(),
        options: options.to_owned(),
    })
}

/// Octal escapes of blanks in `/proc/mounts`.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = after
            .get(..3)
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match code.filter(|_| byte == b'\\') {
            Some(code) => {
                out.push(code);
                rest = &after[3..];
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

/// The directory where the filesystem of a file is mounted.
pub(crate) fn mount_point(path: &Path) -> PathBuf {
    let Ok(mut here) = fs::canonicalize(path) else {
        return PathBuf::from("?");
    };
    let Ok(device) = fs::metadata(&here).map(|meta| meta.dev()) else {
        return here;
    };
    while let Some(parent) = here.parent() {
        if fs::metadata(parent).map(|meta| meta.dev()).ok() != Some(device) {
            return here;
        }
        here = parent.to_path_buf();
    }
    here
}
