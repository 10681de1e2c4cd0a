//! Pseudo filesystems: `/proc` and `/dev`.
//!
//! Both are views: they store nothing, find out everything when they are asked, and number their inodes by what these stand
//! for, so that a VM pays for them with two small objects. They know their kernel weakly, because the kernel's mount table
//! owns them.

mod dev;
mod device;
mod proc;

pub use device::{Device, MemoryDevice};

use crate::clock::{Clock, Timestamp};
use crate::id::{Gid, Ino, Uid};
use crate::process::Kernel;
use crate::vfs::{Attr, FileType, Filesystem, FsQuota, MemoryFs, Mode, MountOptions, SetAttr, Vfs};
use dev::DevFs;
use proc::ProcFs;
use std::sync::{Arc, Weak};

/// Mounts `/proc`, `/dev` and `/dev/shm` where the root filesystem has the directories.
pub(crate) fn mount(vfs: &Vfs, kernel: &Weak<Kernel>, clock: &Arc<dyn Clock>, quota: &Arc<FsQuota>) {
    let options = |source: &str| MountOptions {
        source: source.to_owned(),
        ..MountOptions::default()
    };
    let proc = Arc::new(ProcFs::new(kernel.clone(), Arc::clone(clock)));
    let dev = Arc::new(DevFs::new(kernel.clone(), Arc::clone(clock)));
    // A root without these directories is a VM without these filesystems; nothing else can fail in a fresh mount table.
    let _ = vfs.mount(b"/proc", proc, options("proc"));
    if vfs.mount(b"/dev", dev, options("devtmpfs")).is_ok() {
        let shm = MemoryFs::new(Arc::clone(clock), Arc::clone(quota));
        let mode = SetAttr {
            mode: Some(Mode::new(0o1777)),
            ..SetAttr::default()
        };
        let _ = shm.setattr(shm.root(), &mode);
        let _ = vfs.mount(b"/dev/shm", shm, options("tmpfs"));
    }
}

/// The attributes of something that has no bytes and never changes.
fn plain_attr(ino: Ino, kind: FileType, mode: u32, time: Timestamp) -> Attr {
    Attr {
        ino,
        kind,
        mode: Mode::new(mode),
        nlink: if kind == FileType::Directory { 2 } else { 1 },
        uid: Uid::ROOT,
        gid: Gid::ROOT,
        rdev: 0,
        size: 0,
        blocks: 0,
        atime: time,
        mtime: time,
        ctime: time,
        btime: time,
    }
}

/// Methods of [`Filesystem`] that would change names: nobody can, here.
macro_rules! refuse_names {
    () => {
        fn create(&self, _: Ino, _: &[u8], _: &NewNode) -> Result<Attr> {
            Err(Errno::EPERM.into())
        }

        fn mkdir(&self, _: Ino, _: &[u8], _: &NewNode) -> Result<Attr> {
            Err(Errno::EPERM.into())
        }

        fn symlink(&self, _: Ino, _: &[u8], _: &[u8], _: &NewNode) -> Result<Attr> {
            Err(Errno::EPERM.into())
        }

        fn link(&self, _: Ino, _: Ino, _: &[u8]) -> Result<Attr> {
            Err(Errno::EPERM.into())
        }

        fn unlink(&self, _: Ino, _: &[u8]) -> Result<()> {
            Err(Errno::EPERM.into())
        }

        fn rmdir(&self, _: Ino, _: &[u8]) -> Result<()> {
            Err(Errno::EPERM.into())
        }

        fn rename(&self, _: Ino, _: &[u8], _: Ino, _: &[u8], _: RenameFlags) -> Result<()> {
            Err(Errno::EPERM.into())
        }

        fn retain(&self, _: Ino) -> Result<()> {
            Ok(())
        }

        fn release(&self, _: Ino) {}

        fn now(&self) -> Timestamp {
            self.clock.now()
        }
    };
}
use refuse_names;
