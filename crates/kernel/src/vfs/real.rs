//! Real paths: where in the tree of the VM an inode is, as the permission policy names it.
//!
//! A real path is absolute from the root of the VM (not from that of a process), and holds no link, `.` or `..`. It exists
//! only where somebody asks: a VM without rules about files computes none. A walk carries it along; an inode that is held is
//! found by the names that it and the directories above it have *now*, so that a rename of any of them counts at once.
//!
//! What was removed has no path. It goes by the one at which it was found, so that unlinking a file does not free a
//! descriptor from the rules that it was opened under.

use crate::errno::Errno;
use crate::error::Result;
use crate::id::Ino;
use crate::vfs::attr::{Attr, FileType};
use crate::vfs::location::Location;
use crate::vfs::namespace::Mount;
use crate::vfs::walk::Node;
use std::sync::Arc;

/// A real path, where one is known.
pub(super) type Real = Option<Vec<u8>>;

/// Longest real path in bytes. Trees can be deeper than a path may be long; below this depth nothing is allowed by rule.
const REAL_MAX: usize = 64 << 10;

/// Appends a component.
pub(super) fn push(path: &mut Vec<u8>, name: &[u8]) -> Result<()> {
    if path.len() + name.len() >= REAL_MAX {
        return Err(Errno::ENAMETOOLONG.into());
    }
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    Ok(())
}

/// Takes the last component off.
pub(super) fn pop(path: &mut Vec<u8>) {
    let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    path.truncate(slash.max(1));
}

/// The path of a component in a directory.
pub(super) fn child(dir: &[u8], name: &[u8]) -> Result<Vec<u8>> {
    let mut path = Vec::with_capacity(dir.len() + name.len() + 1);
    path.extend_from_slice(dir);
    push(&mut path, name)?;
    Ok(path)
}

/// The path of an inode by the names above it; none if it or a directory above it has no name any more.
pub(super) fn climb(mount: &Arc<Mount>, ino: Ino) -> Result<Real> {
    let (mut mount, mut ino) = (mount, ino);
    let mut names: Vec<Vec<u8>> = Vec::new();
    let mut length = 1;
    loop {
        if ino == mount.root {
            match &mount.covered {
                Some(below) => (mount, ino) = (below.mount(), below.ino()),
                None => break,
            }
            continue;
        }
        let Ok((parent, name)) = mount.fs.name_of(ino) else {
            return Ok(None);
        };
        length += name.len() + 1;
        if length > REAL_MAX {
            return Err(Errno::ENAMETOOLONG.into());
        }
        names.push(name);
        ino = parent;
    }
    let mut path = Vec::with_capacity(length);
    path.push(b'/');
    for name in names.iter().rev() {
        push(&mut path, name)?;
    }
    Ok(Some(path))
}

/// The path of a held inode. Of several names of a file the one by which it was found, if that is still its.
pub(super) fn of(location: &Location, attr: &Attr) -> Result<Real> {
    let known = location.known_path();
    let ambiguous = attr.kind != FileType::Directory && attr.nlink > 1;
    if ambiguous && known.is_some_and(|path| names(path, location)) {
        return Ok(known.map(<[u8]>::to_vec));
    }
    let found = match attr.nlink {
        0 => None,
        _ => climb(location.mount(), location.ino())?,
    };
    Ok(found.or_else(|| known.map(<[u8]>::to_vec)))
}

/// Whether a real path still names an inode.
fn names(path: &[u8], location: &Location) -> bool {
    let mut root = location.mount();
    while let Some(below) = &root.covered {
        root = below.mount();
    }
    let Ok(attr) = root.fs.getattr(root.root) else {
        return false;
    };
    let mut node = Node {
        mount: Arc::clone(root),
        attr,
        real: None,
    };
    for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        match node.lookup(name) {
            Ok(attr) => node.attr = attr,
            Err(_) => return false,
        }
        if node.cross().is_err() {
            return false;
        }
    }
    node.is(location)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_come_and_go() {
        let mut path = b"/".to_vec();
        push(&mut path, b"a").unwrap();
        push(&mut path, b"b\xff").unwrap();
        assert_eq!(path, b"/a/b\xff");
        pop(&mut path);
        assert_eq!(path, b"/a");
        pop(&mut path);
        pop(&mut path);
        assert_eq!(path, b"/");
        assert_eq!(child(b"/", b"x").unwrap(), b"/x");
        assert_eq!(child(b"/x", b"y").unwrap(), b"/x/y");
    }

    #[test]
    fn a_path_has_a_longest_length() {
        let mut path = b"/".to_vec();
        let name = [b'n'; 255];
        let refused = (0..1000).find_map(|_| push(&mut path, &name).err()).unwrap();
        assert_eq!(refused, Errno::ENAMETOOLONG);
        assert!(path.len() <= REAL_MAX);
    }
}
