//! Operations through the kernel's [`Vfs`].

use crate::op::{How, Move, Op, Outcome, Range, SLOTS, Stat, Value};
use agentos_kernel::clock::{Clock, Instant, Timestamp};
use agentos_kernel::cred::Credentials;
use agentos_kernel::id::{Gid, Uid};
use agentos_kernel::limits::Counter;
use agentos_kernel::vfs::{
    Attr, FileType, Filesystem, FsContext, FsQuota, InodeHandle, Location, Mode, OpenOptions, Opened, RenameFlags,
    SeekTarget, Vfs, XattrMode,
};
use agentos_kernel::{Errno, Result};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

/// Directories between the root and the tree under test, so that no `..` gets to the root.
pub(crate) const DEPTH: usize = 45;

/// A clock that ticks at every look.
pub(crate) struct Ticks(pub AtomicI64);

impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn instant(&self) -> Instant {
        Instant(0)
    }

    fn wake_at(&self, _: Instant, _: &core::task::Waker) {}
}

pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(Ticks(AtomicI64::new(1)))
}

/// A quota that is counted, and never met.
pub(crate) fn quota() -> Arc<FsQuota> {
    let counter = |path| Counter::new(path, "", 1 << 50, Errno::ENOSPC);
    Arc::new(FsQuota {
        bytes: counter("limits.resources.maxFilesystemBytes"),
        inodes: counter("limits.resources.maxInodeCount"),
    })
}

pub(crate) struct Guest {
    pub(crate) vfs: Vfs,
    cred: Credentials,
    base: Location,
    /// The other place where paths may start: the root.
    top: Location,
    slots: [Option<(InodeHandle, bool)>; SLOTS],
}

/// Trees that there have been.
static TREES: AtomicUsize = AtomicUsize::new(0);

impl Guest {
    /// `fs` as the root; the tree under test is `depth` directories down, which are made if they are not there.
    pub(crate) fn new(fs: Arc<dyn Filesystem>, cred: Credentials, depth: usize) -> Self {
        let vfs = Vfs::new(fs);
        // Every other tree is walked with ways that are kept.
        vfs.keep_walks(TREES.fetch_add(1, Ordering::Relaxed).is_multiple_of(2));
        let top = vfs.root();
        // The tree belongs to whoever works in it. (A host directory does anyway, and cannot be given away.)
        let all_rights = Credentials::root();
        let (uid, gid) = (Some(cred.euid), Some(cred.egid));
        let _ = vfs.chown(&FsContext::new(&all_rights, &top), None, b"/", uid, gid, true);
        let mut base = top.clone();
        for _ in 0..depth {
            let cx = FsContext::new(&cred, &base);
            let _ = vfs.mkdir(&cx, None, b"p", Mode::new(0o755));
            let down = vfs.resolve(&cx, None, b"p", true).unwrap();
            base = down;
        }
        Self {
            vfs,
            cred,
            base,
            top,
            slots: Default::default(),
        }
    }

    pub(crate) fn close_all(&mut self) {
        self.slots = Default::default();
    }

    /// Lets paths start at the root, and back.
    pub(crate) fn flip(&mut self) {
        std::mem::swap(&mut self.base, &mut self.top);
    }

    /// The inode number behind a path; links are not followed.
    pub(crate) fn ino(&self, path: &[u8]) -> u64 {
        let root = self.vfs.root();
        let mut cx = FsContext::new(&self.cred, &root);
        cx.cwd = &self.base;
        self.vfs.attr(&cx, None, path, false).unwrap().ino.0
    }

    pub(crate) fn apply(&mut self, op: &Op) -> Outcome {
        self.run(op).map_err(|error| error.errno().raw())
    }

    fn run(&mut self, op: &Op) -> Result<Value> {
        match op {
            Op::Open(slot, path, how, mode) => self.open(*slot, path, *how, *mode),
            Op::Close(slot) => {
                self.slots[*slot] = None;
                Ok(Value::Done)
            }
            Op::Read(..)
            | Op::Write(..)
            | Op::Append(..)
            | Op::Resize(..)
            | Op::Allocate(..)
            | Op::SeekData(..)
            | Op::SeekHole(..)
            | Op::StatOpen(..)
            | Op::NameOpen(..) => self.on_open(op),
            _ => self.on_path(op),
        }
    }

    fn open(&mut self, slot: usize, path: &[u8], how: How, mode: u32) -> Result<Value> {
        self.slots[slot] = None;
        let options = OpenOptions {
            read: true,
            write: !matches!(how, How::Read | How::Directory | How::NoFollow),
            create: matches!(how, How::Create | How::CreateNew | How::CreateTruncate),
            exclusive: how == How::CreateNew,
            truncate: matches!(how, How::Truncate | How::CreateTruncate),
            directory: how == How::Directory,
            no_follow: how == How::NoFollow,
            path_only: false,
            unnamed: how == How::Unnamed,
            mode: Mode::new(mode),
        };
        let base = self.base.clone();
        let root = self.vfs.root();
        let mut cx = FsContext::new(&self.cred, &root);
        cx.cwd = &base;
        match self.vfs.open(&cx, None, path, options)? {
            Opened::Inode(handle) => self.slots[slot] = Some((handle, options.write)),
            Opened::Special(..) => {}
            other => panic!("{other:?}"),
        }
        Ok(Value::Done)
    }

    fn on_open(&mut self, op: &Op) -> Result<Value> {
        let slot = match op {
            Op::Read(slot, ..)
            | Op::Write(slot, ..)
            | Op::Append(slot, ..)
            | Op::Resize(slot, ..)
            | Op::Allocate(slot, ..)
            | Op::SeekData(slot, ..)
            | Op::SeekHole(slot, ..)
            | Op::StatOpen(slot)
            | Op::NameOpen(slot, _) => *slot,
            _ => unreachable!(),
        };
        let Some((handle, writable)) = &self.slots[slot] else {
            return Ok(Value::Done);
        };
        let changes = matches!(op, Op::Write(..) | Op::Append(..) | Op::Resize(..) | Op::Allocate(..));
        if changes && !writable {
            return Ok(Value::Done);
        }
        let cred = &self.cred;
        match op {
            Op::Read(_, offset, len) => {
                let mut buf = vec![0x55; *len];
                let count = handle.read_at(*offset, &mut buf)?;
                buf.truncate(count);
                Ok(Value::Bytes(buf))
            }
            Op::Write(_, offset, len, byte) => {
                let count = handle.write_at(cred, *offset, &vec![*byte; *len])?;
                Ok(Value::Count(count as u64))
            }
            Op::Append(_, len, byte) => Ok(Value::Count(handle.append(cred, &vec![*byte; *len])?.0 as u64)),
            Op::Resize(_, size) => handle.truncate(cred, *size).map(|()| Value::Done),
            Op::Allocate(_, range, offset, len) => {
                let (keep, punch) = (*range != Range::Reserve, *range == Range::Punch);
                handle.allocate(cred, *offset, *len, keep, punch).map(|()| Value::Done)
            }
            Op::SeekData(_, _) | Op::SeekHole(_, _) if handle.kind() == FileType::Directory => Ok(Value::Done),
            Op::SeekData(_, offset) => handle.seek_data_hole(*offset, SeekTarget::Data).map(Value::Count),
            Op::SeekHole(_, offset) => handle.seek_data_hole(*offset, SeekTarget::Hole).map(Value::Count),
            Op::StatOpen(_) => Ok(Value::Stat(stat(&handle.getattr()?))),
            Op::NameOpen(_, path) => {
                let root = self.vfs.root();
                let mut cx = FsContext::new(cred, &root);
                cx.cwd = &self.base;
                self.vfs
                    .link_location(&cx, handle.location(), None, path)
                    .map(|()| Value::Done)
            }
            _ => unreachable!(),
        }
    }

    fn on_path(&mut self, op: &Op) -> Result<Value> {
        let root = self.vfs.root();
        let mut cx = FsContext::new(&self.cred, &root);
        cx.cwd = &self.base;
        let (vfs, cx) = (&self.vfs, &cx);
        match op {
            Op::Truncate(path, size) => vfs.truncate(cx, None, path, *size)?,
            Op::Mkdir(path, mode) => drop(vfs.mkdir(cx, None, path, Mode::new(*mode))?),
            Op::Fifo(path, mode) => drop(vfs.mknod(cx, None, path, FileType::Fifo, Mode::new(*mode), 0)?),
            Op::Rmdir(path) => vfs.rmdir(cx, None, path)?,
            Op::Unlink(path) => vfs.unlink(cx, None, path)?,
            Op::Rename(from, to, how) => {
                let flags = match how {
                    Move::Replace => RenameFlags::Replace,
                    Move::NoReplace => RenameFlags::NoReplace,
                    Move::Exchange => RenameFlags::Exchange,
                };
                vfs.rename(cx, None, from, None, to, flags)?;
            }
            Op::Link(from, to, follow) => vfs.link(cx, None, from, None, to, *follow)?,
            Op::Symlink(target, path) => drop(vfs.symlink(cx, target, None, path)?),
            Op::Readlink(path) => return vfs.readlink(cx, None, path).map(Value::Bytes),
            Op::Chmod(path, mode) => vfs.chmod(cx, None, path, Mode::new(*mode), true)?,
            Op::Chown(path, uid, gid, follow) => {
                vfs.chown(cx, None, path, Some(Uid(*uid)), Some(Gid(*gid)), *follow)?;
            }
            Op::Stat(path, follow) => return Ok(Value::Stat(stat(&vfs.attr(cx, None, path, *follow)?))),
            Op::List(path) => return self.list(path),
            Op::SetXattr(path, name, value, create, replace) => {
                let mode = match (create, replace) {
                    (true, _) => XattrMode::Create,
                    (_, true) => XattrMode::Replace,
                    _ => XattrMode::Any,
                };
                vfs.setxattr(cx, None, path, name, value, mode, true)?;
            }
            Op::GetXattr(path, name) => return vfs.getxattr(cx, None, path, name, true).map(Value::Bytes),
            Op::RemoveXattr(path, name) => vfs.removexattr(cx, None, path, name, true)?,
            Op::ListXattr(path) => {
                let mut names = vfs.listxattr(cx, None, path, true)?;
                names.sort();
                return Ok(Value::Names(names.into_iter().map(|name| (name, None)).collect()));
            }
            _ => unreachable!(),
        }
        Ok(Value::Done)
    }

    fn list(&self, path: &[u8]) -> Result<Value> {
        let root = self.vfs.root();
        let mut cx = FsContext::new(&self.cred, &root);
        cx.cwd = &self.base;
        let options = OpenOptions {
            read: true,
            directory: true,
            ..OpenOptions::default()
        };
        let Opened::Inode(dir) = self.vfs.open(&cx, None, path, options)? else {
            return Err(Errno::ENOTDIR.into());
        };
        let mut names = Vec::new();
        dir.readdir(0, &mut |entry| {
            names.push((entry.name.to_vec(), Some(entry.kind.bits())));
            ControlFlow::Continue(())
        })?;
        names.sort();
        Ok(Value::Names(names))
    }
}

pub(crate) fn stat(attr: &Attr) -> Stat {
    Stat {
        mode: attr.kind.bits() | attr.mode.bits(),
        nlink: u64::from(attr.nlink),
        size: attr.size,
        blocks: attr.blocks,
        uid: attr.uid.0,
        gid: attr.gid.0,
    }
}
