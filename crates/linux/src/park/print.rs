//! What a path leads to, so that it can be told whether it leads to the same elsewhere.
//!
//! Node.js looks at some files while it boots: libraries, the configuration of OpenSSL, directories. A process that has booted on a
//! base has seen the base's. It can be a VM's only if the VM's would have been the same, and if the process that claims it may look at them.

use super::key::{FileId, file_id};
use agentos_kernel::process::Process;
use agentos_kernel::vfs::{Attr, FileType, InodeHandle};
use std::os::fd::AsFd;

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Print {
    /// The path itself, links not followed.
    entry: Found,
    /// What it leads to.
    target: Found,
    content: Content,
}

/// Kind, rights and owner of a file, or why there is none.
type Found = Result<(FileType, u32, u32, u32), i32>;

#[derive(Debug, PartialEq, Eq)]
enum Content {
    /// What is not read.
    None,
    /// A link's.
    Link(Vec<u8>),
    /// A file of the host, in one state of it.
    Host(FileId),
    Bytes(Vec<u8>),
}

/// Largest file that is compared byte by byte; then it has to be the same file of the host.
const BYTES_MAX: u64 = 256 << 10;

/// Prints of paths as a process sees them; none if one cannot be told.
pub(crate) fn prints<'a>(process: &Process, paths: impl Iterator<Item = &'a [u8]>) -> Option<Vec<Print>> {
    paths.map(|path| Print::of(process, path)).collect()
}

impl Print {
    fn of(process: &Process, path: &[u8]) -> Option<Self> {
        let cx = process.cx().ok()?;
        let vfs = process.kernel().vfs();
        let found = |follow| match vfs.stat(&cx.fs(), None, path, follow) {
            Ok(stat) => Ok(describe(&stat.attr)),
            Err(error) => Err(error.errno().raw()),
        };
        let (entry, target) = (found(false), found(true));
        let is = |found: &Found, kind| matches!(found, Ok((is, ..)) if *is == kind);
        let content = if is_generated(path) {
            // What is in there is a matter of the moment; what of it counts is in the key.
            Content::None
        } else if is(&target, FileType::Regular) {
            content(process, path)?
        } else if is(&entry, FileType::Symlink) {
            Content::Link(vfs.readlink(&cx.fs(), None, path).ok()?)
        } else {
            Content::None
        };
        Some(Self { entry, target, content })
    }
}

fn describe(attr: &Attr) -> (FileType, u32, u32, u32) {
    (attr.kind, attr.mode.bits(), attr.uid.0, attr.gid.0)
}

fn is_generated(path: &[u8]) -> bool {
    path.starts_with(b"/proc/") || path.starts_with(b"/sys/")
}

fn content(process: &Process, path: &[u8]) -> Option<Content> {
    let cx = process.cx().ok()?;
    let (location, _) = process.kernel().vfs().resolve_program(&cx.fs(), path).ok()?;
    if let Some(file) = location.filesystem().host_file(location.ino()).ok()? {
        return file_id(file.as_fd()).map(Content::Host);
    }
    let file = InodeHandle::new(location);
    let size = file.getattr().ok()?.size;
    if size > BYTES_MAX {
        // One of a VM's own memory is another file of the host in each VM, and so never the same.
        let location = file.location();
        let native = location.filesystem().native(location.ino(), false).ok()??;
        return file_id(native.as_fd()).map(Content::Host);
    }
    let mut bytes = vec![0; usize::try_from(size).ok()?];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(filled as u64, rest).ok()? {
            0 => return None,
            count => filled += count,
        }
    }
    Some(Content::Bytes(bytes))
}
