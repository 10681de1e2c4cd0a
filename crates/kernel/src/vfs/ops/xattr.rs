//! Extended attributes (`xattr(7)`).

use crate::cred::Credentials;
use crate::errno::Errno;
use crate::error::Result;
use crate::policy::Operation;
use crate::vfs::access::{self, Access};
use crate::vfs::attr::{Attr, FileType, Mode};
use crate::vfs::context::FsContext;
use crate::vfs::filesystem::XattrMode;
use crate::vfs::location::Location;
use crate::vfs::namespace::Vfs;
use crate::vfs::walk::{self, Node};

/// Longest name, in bytes.
const XATTR_NAME_MAX: usize = 255;
/// Largest value, in bytes.
const XATTR_SIZE_MAX: usize = 65_536;

/// Which rules a name falls under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Space {
    /// `user.`: guarded by file permissions, on files and directories only.
    User,
    /// `trusted.`: only the superuser sees it.
    Trusted,
    /// `security.`: everybody reads, the superuser writes.
    Security,
}

impl Vfs {
    /// Value of an attribute.
    ///
    /// # Errors
    /// `ENODATA` if absent or not for the caller, `EOPNOTSUPP` for an unknown name space, `ERANGE` for a bad name.
    pub fn getxattr(
        &self,
        cx: &FsContext<'_>,
        base: Option<&Location>,
        path: &[u8],
        name: &[u8],
        follow: bool,
    ) -> Result<Vec<u8>> {
        check_name(name)?;
        self.ruled(cx, |cx| {
            let node = walk::resolve(cx, base, path, follow)?;
            cx.may(Operation::FsStat, &node)?;
            get(cx.cred, &node, name)
        })
    }

    /// Value of an attribute of an open inode.
    ///
    /// # Errors
    /// As [`getxattr`](Self::getxattr).
    pub fn getxattr_location(&self, cx: &FsContext<'_>, location: &Location, name: &[u8]) -> Result<Vec<u8>> {
        self.ruled(cx, |cx| {
            let node = Node::under(cx, location)?;
            cx.may(Operation::FsStat, &node)?;
            get(cx.cred, &node, name)
        })
    }

    /// Sets an attribute.
    ///
    /// # Errors
    /// `EPERM`, `EACCES`, `EEXIST`, `ENODATA`, `ENOSPC`, `E2BIG`, `EROFS`, `EOPNOTSUPP`.
    #[allow(clippy::too_many_arguments)]
    pub fn setxattr(
        &self,
        cx: &FsContext<'_>,
        base: Option<&Location>,
        path: &[u8],
        name: &[u8],
        value: &[u8],
        mode: XattrMode,
        follow: bool,
    ) -> Result<()> {
        check_name(name)?;
        check_value(value)?;
        self.ruled(cx, |cx| {
            set(cx, &walk::resolve(cx, base, path, follow)?, name, value, mode)
        })
    }

    /// Sets an attribute of an open inode.
    ///
    /// # Errors
    /// As [`setxattr`](Self::setxattr).
    pub fn setxattr_location(
        &self,
        cx: &FsContext<'_>,
        location: &Location,
        name: &[u8],
        value: &[u8],
        mode: XattrMode,
    ) -> Result<()> {
        check_name(name)?;
        check_value(value)?;
        self.ruled(cx, |cx| set(cx, &Node::under(cx, location)?, name, value, mode))
    }

    /// Names of the attributes that the caller may see.
    ///
    /// # Errors
    /// Those of path resolution.
    pub fn listxattr(
        &self,
        cx: &FsContext<'_>,
        base: Option<&Location>,
        path: &[u8],
        follow: bool,
    ) -> Result<Vec<Vec<u8>>> {
        self.ruled(cx, |cx| {
            let node = walk::resolve(cx, base, path, follow)?;
            cx.may(Operation::FsStat, &node)?;
            list(cx.cred, &node)
        })
    }

    /// Names of the attributes of an open inode.
    ///
    /// # Errors
    /// `ESTALE` if the filesystem lost the inode.
    pub fn listxattr_location(&self, cx: &FsContext<'_>, location: &Location) -> Result<Vec<Vec<u8>>> {
        self.ruled(cx, |cx| {
            let node = Node::under(cx, location)?;
            cx.may(Operation::FsStat, &node)?;
            list(cx.cred, &node)
        })
    }

    /// Removes an attribute.
    ///
    /// # Errors
    /// `ENODATA` if absent, and as [`setxattr`](Self::setxattr).
    pub fn removexattr(
        &self,
        cx: &FsContext<'_>,
        base: Option<&Location>,
        path: &[u8],
        name: &[u8],
        follow: bool,
    ) -> Result<()> {
        check_name(name)?;
        self.ruled(cx, |cx| remove(cx, &walk::resolve(cx, base, path, follow)?, name))
    }

    /// Removes an attribute of an open inode.
    ///
    /// # Errors
    /// As [`removexattr`](Self::removexattr).
    pub fn removexattr_location(&self, cx: &FsContext<'_>, location: &Location, name: &[u8]) -> Result<()> {
        self.ruled(cx, |cx| remove(cx, &Node::under(cx, location)?, name))
    }
}

fn get(cred: &Credentials, node: &Node, name: &[u8]) -> Result<Vec<u8>> {
    check_name(name)?;
    check_access(cred, &node.attr, name, false)?;
    node.mount.fs.getxattr(node.attr.ino, name)
}

fn set(cx: &FsContext<'_>, node: &Node, name: &[u8], value: &[u8], mode: XattrMode) -> Result<()> {
    cx.may(Operation::FsChmod, node)?;
    node.mount.writable()?;
    check_access(cx.cred, &node.attr, name, true)?;
    node.mount.fs.setxattr(node.attr.ino, name, value, mode)
}

fn list(cred: &Credentials, node: &Node) -> Result<Vec<Vec<u8>>> {
    let mut names = node.mount.fs.listxattr(node.attr.ino)?;
    if !cred.is_root() {
        names.retain(|name| !matches!(space(name), Some((Space::Trusted, _))));
    }
    Ok(names)
}

fn remove(cx: &FsContext<'_>, node: &Node, name: &[u8]) -> Result<()> {
    check_name(name)?;
    cx.may(Operation::FsChmod, node)?;
    node.mount.writable()?;
    check_access(cx.cred, &node.attr, name, true)?;
    node.mount.fs.removexattr(node.attr.ino, name)
}

fn check_name(name: &[u8]) -> Result<()> {
    if name.is_empty() || name.len() > XATTR_NAME_MAX || name.contains(&0) {
        return Err(Errno::ERANGE.into());
    }
    Ok(())
}

fn check_value(value: &[u8]) -> Result<()> {
    if value.len() > XATTR_SIZE_MAX {
        return Err(Errno::E2BIG.into());
    }
    Ok(())
}

/// The name space, and the rest of the name.
fn space(name: &[u8]) -> Option<(Space, &[u8])> {
    let spaces: [(&[u8], Space); 3] = [
        (b"user.", Space::User),
        (b"trusted.", Space::Trusted),
        (b"security.", Space::Security),
    ];
    spaces
        .into_iter()
        .find_map(|(prefix, space)| Some((space, name.strip_prefix(prefix)?)))
}

/// Checks permissions, and only then whether the name makes sense, as Linux does.
fn check_access(cred: &Credentials, attr: &Attr, name: &[u8], write: bool) -> Result<()> {
    let refused = |errno: Errno| Err(if write { errno } else { Errno::ENODATA }.into());
    let wanted = if write { Access::WRITE } else { Access::READ };
    let Some((space, rest)) = space(name) else {
        access::check(cred, attr, wanted)?;
        return Err(Errno::EOPNOTSUPP.into());
    };
    match space {
        Space::Trusted if !cred.is_root() => return refused(Errno::EPERM),
        Space::Security if write && !cred.is_root() => return Err(Errno::EPERM.into()),
        Space::Trusted | Space::Security => {}
        Space::User => {
            if !matches!(attr.kind, FileType::Regular | FileType::Directory) {
                return refused(Errno::EPERM);
            }
            let sticky = attr.kind == FileType::Directory && attr.mode.bits() & Mode::STICKY != 0;
            if write && sticky && !access::owns(cred, attr) {
                return Err(Errno::EPERM.into());
            }
            access::check(cred, attr, wanted)?;
        }
    }
    match rest.is_empty() {
        true => Err(Errno::EINVAL.into()),
        false => Ok(()),
    }
}
