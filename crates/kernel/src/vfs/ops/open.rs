//! `open(2)`.

use super::{absent, new_node};
use crate::errno::Errno;
use crate::error::Result;
use crate::policy::Operation;
use crate::vfs::access::{self, Access};
use crate::vfs::attr::{Attr, FileType};
use crate::vfs::context::FsContext;
use crate::vfs::handle::{InodeHandle, OpenOptions, Opened, truncate_inode};
use crate::vfs::location::Location;
use crate::vfs::namespace::Vfs;
use crate::vfs::walk::{Last, Name, Node, Target, Walker};

impl Vfs {
    /// Opens `path`, relative to `base` or the working directory.
    ///
    /// # Errors
    /// Those of `open(2)`. A socket is `ENXIO`.
    pub fn open(
        &self,
        cx: &FsContext<'_>,
        base: Option<&Location>,
        path: &[u8],
        options: OpenOptions,
    ) -> Result<Opened> {
        self.ruled(cx, |cx| open(cx, base, path, options))
    }
}

fn open(cx: &FsContext<'_>, base: Option<&Location>, path: &[u8], options: OpenOptions) -> Result<Opened> {
    if options.path_only {
        return open_path(cx, base, path, &options);
    }
    if options.unnamed {
        return open_unnamed(cx, base, path, &options);
    }
    if options.create && options.directory {
        return Err(Errno::EINVAL.into());
    }
    let mut walker = Walker::start(cx, base, path)?;
    loop {
        let last = walker.up_to_last()?;
        if options.create
            && let Last::Name(name) = &last
        {
            if walker.slash() {
                return Err(Errno::EISDIR.into());
            }
            let Some(found) = absent(walker.node().lookup(name))? else {
                return create(cx, walker.node(), name, &options);
            };
            if options.exclusive {
                cx.may_in(Operation::FsWrite, walker.node(), name)?;
                return Err(Errno::EEXIST.into());
            }
            if follows(&found, &options, false)? {
                walker.follow(&found)?;
                continue;
            }
            walker.land(found, &last)?;
        } else if let Some(found) = walker.look(&last)? {
            if follows(&found, &options, walker.slash())? {
                walker.follow(&found)?;
                continue;
            }
            walker.land(found, &last)?;
        }
        break;
    }
    match walker.finish()? {
        Target::Object(object) => Ok(Opened::Object(object)),
        Target::Node(node) => open_existing(cx, &node, &options),
    }
}

/// What opening an inode means to the policy. A descriptor keeps what it was opened with, so all of it is asked here.
fn may_open(cx: &FsContext<'_>, node: &Node, options: &OpenOptions) -> Result<()> {
    let directory = node.attr.kind == FileType::Directory;
    let asked = [
        (options.read && directory, Operation::FsReaddir),
        (options.read && !directory, Operation::FsRead),
        (options.write || options.truncate, Operation::FsWrite),
        (options.truncate, Operation::FsTruncate),
        (!(options.read || options.write || options.truncate), Operation::FsStat),
    ];
    asked
        .iter()
        .filter(|(wanted, _)| *wanted)
        .try_for_each(|(_, operation)| cx.may(*operation, node))?;
    cx.may_inspect(&node.mount, node.attr.ino)
}

/// Whether to follow what was found at the end; `ELOOP` if that is a link which must not be followed.
fn follows(found: &Attr, options: &OpenOptions, slash: bool) -> Result<bool> {
    if found.kind != FileType::Symlink {
        return Ok(false);
    }
    match (options.no_follow && !slash, options.directory) {
        (false, _) => Ok(true),
        (true, true) => Err(Errno::ENOTDIR.into()),
        (true, false) => Err(Errno::ELOOP.into()),
    }
}

/// What the policy takes for the name of a file that has none.
const UNNAMED: &[u8] = b"#unnamed";

fn create(cx: &FsContext<'_>, dir: &Node, name: &Name, options: &OpenOptions) -> Result<Opened> {
    cx.may_in(Operation::FsWrite, dir, name)?;
    if options.read {
        cx.may_in(Operation::FsRead, dir, name)?;
    }
    dir.mount.writable()?;
    access::may_create(cx.cred, &dir.attr)?;
    let node = new_node(cx, &dir.attr, FileType::Regular, options.mode, 0);
    let attr = match dir.mount.fs.create(dir.attr.ino, name, &node) {
        Ok(attr) => attr,
        // Somebody else created it since; without O_EXCL that one is opened.
        Err(error) if error == Errno::EEXIST && !options.exclusive => {
            let attr = dir.lookup(name)?;
            let found = dir.child(name, attr)?;
            return match attr.kind {
                FileType::Symlink => Err(Errno::ELOOP.into()),
                _ => open_existing(cx, &found, options),
            };
        }
        Err(error) => return Err(error),
    };
    let location = dir.child(name, attr)?.hold()?;
    Ok(Opened::Inode(InodeHandle::new(location)))
}

/// The checks of an inode that exists, in Linux's order, and truncation.
fn open_existing(cx: &FsContext<'_>, node: &Node, options: &OpenOptions) -> Result<Opened> {
    let attr = &node.attr;
    let writes = options.write || options.truncate;
    may_open(cx, node, options)?;
    if options.create && options.exclusive {
        return Err(Errno::EEXIST.into());
    }
    if attr.kind == FileType::Directory && options.create {
        return Err(Errno::EISDIR.into());
    }
    if options.directory && attr.kind != FileType::Directory {
        return Err(Errno::ENOTDIR.into());
    }
    let truncates = options.truncate && attr.kind == FileType::Regular;
    if truncates {
        node.mount.writable()?;
    }
    match attr.kind {
        FileType::Symlink => return Err(Errno::ELOOP.into()),
        FileType::Directory if writes => return Err(Errno::EISDIR.into()),
        _ => {}
    }
    let mut want = Access::empty();
    want.set(Access::READ, options.read);
    want.set(Access::WRITE, writes);
    if writes && matches!(attr.kind, FileType::Regular) {
        node.mount.writable()?;
    }
    access::check(cx.cred, attr, want)?;
    let location = node.hold()?;
    match attr.kind {
        FileType::Regular | FileType::Directory => {}
        // What is behind a FIFO, socket or device of the host is the host's.
        _ if node.mount.confined => return Err(Errno::EACCES.into()),
        FileType::Socket => return Err(Errno::ENXIO.into()),
        _ => return Ok(Opened::Special(location, *attr)),
    }
    if truncates {
        truncate_inode(&location, cx.cred, 0)?;
    }
    opened(cx, location)
}

fn opened(cx: &FsContext<'_>, location: Location) -> Result<Opened> {
    let fs = location.filesystem();
    let generated = match fs.features().pseudo && location.kind() == FileType::Regular {
        true => fs.generate(location.ino(), cx.caller)?,
        false => None,
    };
    Ok(Opened::Inode(InodeHandle::with_content(location, generated)))
}

fn open_path(cx: &FsContext<'_>, base: Option<&Location>, path: &[u8], options: &OpenOptions) -> Result<Opened> {
    match crate::vfs::walk::find(cx, base, path, !options.no_follow)? {
        Target::Object(object) => Ok(Opened::Object(object)),
        Target::Node(node) if options.directory && node.attr.kind != FileType::Directory => Err(Errno::ENOTDIR.into()),
        Target::Node(node) => {
            cx.may(Operation::FsStat, &node)?;
            cx.may_inspect(&node.mount, node.attr.ino)?;
            Ok(Opened::Inode(InodeHandle::new(node.hold()?)))
        }
    }
}

fn open_unnamed(cx: &FsContext<'_>, base: Option<&Location>, path: &[u8], options: &OpenOptions) -> Result<Opened> {
    if !options.write {
        return Err(Errno::EINVAL.into());
    }
    let dir = crate::vfs::walk::resolve(cx, base, path, true)?;
    if dir.attr.kind != FileType::Directory {
        return Err(Errno::ENOTDIR.into());
    }
    cx.may_in(Operation::FsWrite, &dir, UNNAMED)?;
    if options.read {
        cx.may_in(Operation::FsRead, &dir, UNNAMED)?;
    }
    dir.mount.writable()?;
    access::check(cx.cred, &dir.attr, Access::WRITE | Access::EXEC)?;
    let node = new_node(cx, &dir.attr, FileType::Regular, options.mode, 0);
    let attr = dir.mount.fs.create_unnamed(&node)?;
    let made = dir.child(UNNAMED, attr)?;
    let location = Location::adopt(&dir.mount, attr.ino, attr.kind);
    Ok(Opened::Inode(InodeHandle::new(location.found_at(made.real.as_deref()))))
}
