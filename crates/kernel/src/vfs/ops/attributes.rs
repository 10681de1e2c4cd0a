//! Attributes: `stat(2)`, `chmod(2)`, `chown(2)`, `utimensat(2)`, `truncate(2)`, `access(2)`, `statfs(2)`.

use crate::errno::Errno;
use crate::error::Result;
use crate::id::{Gid, Uid};
use crate::policy::Operation;
use crate::vfs::access::{self, Access};
use crate::vfs::attr::{Attr, FileType, Mode, SetAttr, SetTime, Stat, StatFs};
use crate::vfs::context::FsContext;
use crate::vfs::handle::truncate_inode;
use crate::vfs::location::Location;
use crate::vfs::namespace::Vfs;
use crate::vfs::walk::{self, Node, Target};

impl Vfs {
    /// Attributes of what `path` names. `follow`: a symbolic link at the end is followed.
    ///
    /// # Errors
    /// Those of `stat(2)`.
    pub fn stat(&self, cx: &FsContext<'_>, base: Option<&Location>, path: &[u8], follow: bool) -> Result<Stat> {
        self.stat_for(Operation::FsStat, cx, base, path, follow)
    }

    /// The same for a caller to whom it is a part of another operation.
    pub(crate) fn stat_for(
        &self,
        operation: Operation,
        cx: &FsContext<'_>,
        base: Option<&Location>,
        path: &[u8],
        follow: bool,
    ) -> Result<Stat> {
        self.ruled(cx, |cx| match walk::find(cx, base, path, follow)? {
            Target::Object(object) => Ok(object.stat),
            Target::Node(node) => {
                cx.may(operation, &node)?;
                cx.may_inspect(&node.mount, node.attr.ino)?;
                Ok(Stat {
                    dev: node.mount.dev,
                    attr: node.attr,
                })
            }
        })
    }

    /// Totals of the filesystem that holds `path`.
    ///
    /// # Errors
    /// Those of path resolution.
    pub fn statfs(&self, cx: &FsContext<'_>, base: Option<&Location>, path: &[u8]) -> Result<StatFs> {
        self.ruled(cx, |cx| {
            let node = walk::resolve(cx, base, path, true)?;
            cx.may(Operation::FsStat, &node)?;
            node.mount.fs.statfs()
        })
    }

    /// Sets permissions.
    ///
    /// # Errors
    /// `EPERM` unless owner or superuser, `EROFS`, `EOPNOTSUPP` for a symbolic link itself.
    pub fn chmod(
        &self,
        cx: &FsContext<'_>,
        base: Option<&Location>,
        path: &[u8],
        mode: Mode,
        follow: bool,
    ) -> Result<()> {
        self.ruled(cx, |cx| chmod_node(cx, &walk::resolve(cx, base, path, follow)?, mode))
    }

    /// Sets permissions of an open inode.
    ///
    /// # Errors
    /// As [`chmod`](Self::chmod).
    pub fn chmod_location(&self, cx: &FsContext<'_>, location: &Location, mode: Mode) -> Result<()> {
        self.ruled(cx, |cx| chmod_node(cx, &Node::under(cx, location)?, mode))
    }

    /// Sets owner and group; absent ones stay. Set-id bits of anything but a directory go.
    ///
    /// # Errors
    /// `EPERM` unless superuser, or owner who gives one of his groups; `EROFS`.
    pub fn chown(
        &self,
        cx: &FsContext<'_>,
        base: Option<&Location>,
        path: &[u8],
        uid: Option<Uid>,
        gid: Option<Gid>,
        follow: bool,
    ) -> Result<()> {
        self.ruled(cx, |cx| {
            chown_node(cx, &walk::resolve(cx, base, path, follow)?, uid, gid)
        })
    }

    /// Sets owner and group of an open inode.
    ///
    /// # Errors
    /// As [`chown`](Self::chown).
    pub fn chown_location(
        &self,
        cx: &FsContext<'_>,
        location: &Location,
        uid: Option<Uid>,
        gid: Option<Gid>,
    ) -> Result<()> {
        self.ruled(cx, |cx| chown_node(cx, &Node::under(cx, location)?, uid, gid))
    }

    /// Sets access and modification time.
    ///
    /// # Errors
    /// `EPERM` for given times unless owner or superuser; `EACCES` for the current time unless the file may be written.
    pub fn set_times(
        &self,
        cx: &FsContext<'_>,
        base: Option<&Location>,
        path: &[u8],
        atime: SetTime,
        mtime: SetTime,
        follow: bool,
    ) -> Result<()> {
        if (atime, mtime) == (SetTime::Keep, SetTime::Keep) {
            // utimensat(2): nothing to do is never an error, not even for a path that does not exist.
            return Ok(());
        }
        self.ruled(cx, |cx| {
            set_times_node(cx, &walk::resolve(cx, base, path, follow)?, atime, mtime)
        })
    }

    /// Sets access and modification time of an open inode.
    ///
    /// # Errors
    /// As [`set_times`](Self::set_times).
    pub fn set_times_location(
        &self,
        cx: &FsContext<'_>,
        location: &Location,
        atime: SetTime,
        mtime: SetTime,
    ) -> Result<()> {
        if (atime, mtime) == (SetTime::Keep, SetTime::Keep) {
            return Ok(());
        }
        self.ruled(cx, |cx| set_times_node(cx, &Node::under(cx, location)?, atime, mtime))
    }

    /// Cuts or extends a regular file.
    ///
    /// # Errors
    /// Those of `truncate(2)`.
    pub fn truncate(&self, cx: &FsContext<'_>, base: Option<&Location>, path: &[u8], size: u64) -> Result<()> {
        if size > crate::vfs::SIZE_MAX {
            return Err(Errno::EINVAL.into());
        }
        self.ruled(cx, |cx| {
            let node = walk::resolve(cx, base, path, true)?;
            cx.may(Operation::FsTruncate, &node)?;
            cx.may(Operation::FsWrite, &node)?;
            match node.attr.kind {
                FileType::Regular => {}
                FileType::Directory => return Err(Errno::EISDIR.into()),
                _ => return Err(Errno::EINVAL.into()),
            }
            node.mount.writable()?;
            access::check(cx.cred, &node.attr, Access::WRITE)?;
            truncate_inode(&node.hold()?, cx.cred, size)
        })
    }

    /// Whether the caller may access `path`. `effective`: with the effective ids, else with the real ones.
    ///
    /// # Errors
    /// Those of `access(2)`.
    pub fn access(
        &self,
        cx: &FsContext<'_>,
        base: Option<&Location>,
        path: &[u8],
        want: Access,
        effective: bool,
        follow: bool,
    ) -> Result<()> {
        let real;
        let mut cx = *cx;
        if !effective {
            real = access::with_real_ids(cx.cred);
            cx.cred = &real;
        }
        self.ruled(&cx, |cx| match walk::find(cx, base, path, follow)? {
            Target::Node(node) => access_node(cx, &node, want),
            Target::Object(object) => access::check(cx.cred, &object.stat.attr, want),
        })
    }
}

fn access_node(cx: &FsContext<'_>, node: &Node, want: Access) -> Result<()> {
    cx.may(Operation::FsStat, node)?;
    cx.may_inspect(&node.mount, node.attr.ino)?;
    access::check(cx.cred, &node.attr, want)?;
    let special = matches!(
        node.attr.kind,
        FileType::Fifo | FileType::Socket | FileType::CharDevice | FileType::BlockDevice
    );
    if want.contains(Access::WRITE) && !special {
        node.mount.writable()?;
    }
    Ok(())
}

fn chmod_node(cx: &FsContext<'_>, node: &Node, mode: Mode) -> Result<()> {
    cx.may(Operation::FsChmod, node)?;
    let cred = cx.cred;
    node.mount.writable()?;
    if node.attr.kind == FileType::Symlink {
        return Err(Errno::EOPNOTSUPP.into());
    }
    if !access::owns(cred, &node.attr) {
        return Err(Errno::EPERM.into());
    }
    let mut bits = mode.bits();
    if !cred.is_root() && !cred.in_group(node.attr.gid) {
        bits &= !Mode::SETGID;
    }
    apply(
        node,
        &SetAttr {
            mode: Some(Mode::new(bits)),
            ..SetAttr::default()
        },
    )
}

fn chown_node(cx: &FsContext<'_>, node: &Node, uid: Option<Uid>, gid: Option<Gid>) -> Result<()> {
    cx.may(Operation::FsChmod, node)?;
    let cred = cx.cred;
    node.mount.writable()?;
    let attr = &node.attr;
    let mut set = SetAttr {
        uid,
        gid,
        ..SetAttr::default()
    };
    if attr.kind != FileType::Directory {
        set.mode = access::without_set_id(cred, attr);
    }
    if !cred.is_root() {
        let owner = cred.euid == attr.uid;
        let uid_ok = uid.is_none_or(|uid| owner && uid == attr.uid);
        let gid_ok = gid.is_none_or(|gid| owner && (gid == attr.gid || cred.in_group(gid)));
        let mode_ok = set.mode.is_none() || owner;
        if !(uid_ok && gid_ok && mode_ok) {
            return Err(Errno::EPERM.into());
        }
    }
    apply(node, &set)
}

fn set_times_node(cx: &FsContext<'_>, node: &Node, atime: SetTime, mtime: SetTime) -> Result<()> {
    cx.may(Operation::FsChmod, node)?;
    let cred = cx.cred;
    node.mount.writable()?;
    if !access::owns(cred, &node.attr) {
        if (atime, mtime) != (SetTime::Now, SetTime::Now) {
            return Err(Errno::EPERM.into());
        }
        access::check(cred, &node.attr, Access::WRITE)?;
    }
    apply(
        node,
        &SetAttr {
            atime,
            mtime,
            ..SetAttr::default()
        },
    )
}

fn apply(node: &Node, set: &SetAttr) -> Result<()> {
    node.mount.fs.setattr(node.attr.ino, set)?;
    Ok(())
}

/// The attributes alone, for callers inside the kernel.
impl Vfs {
    /// Like [`stat`](Self::stat), without the device.
    ///
    /// # Errors
    /// As [`stat`](Self::stat).
    pub fn attr(&self, cx: &FsContext<'_>, base: Option<&Location>, path: &[u8], follow: bool) -> Result<Attr> {
        self.stat(cx, base, path, follow).map(|stat| stat.attr)
    }
}
