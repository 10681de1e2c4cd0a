//! A regular file of natives that is nowhere in the VM: memory with a descriptor and no name (`memfd_create(2)`), which can be executed.
//!
//! Its bytes are its makers' own, who may change them at any time, as those of a file of the VM. It is in no tree: each such location
//! is the only inode of a mount that nobody finds, and goes with it. It has no path, so rules about paths have nothing to say of it.

use crate::clock::Timestamp;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::{DeviceId, Gid, Ino, Uid};
use crate::vfs::attr::{Attr, FileType, Mode, SetAttr, StatFs};
use crate::vfs::filesystem::{DirEntry, Features, Filesystem, NewNode, RenameFlags};
use crate::vfs::location::Location;
use crate::vfs::namespace::{Mount, MountOptions};
use crate::vfs::open_anew;
use core::ops::ControlFlow;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

/// Device of all of them; those that are mounted have larger ones.
const DEVICE: DeviceId = DeviceId(1);
/// The root, which is no directory that anybody gets to see.
const ROOT: Ino = Ino(u64::MAX);

/// The one file, held by a description for reading that nobody else has.
struct Unnamed {
    file: File,
    ino: Ino,
}

impl Location {
    /// A file of natives without a name, by a description for reading that nobody else uses. Everybody may read and execute it who has
    /// the location.
    ///
    /// # Errors
    /// `EACCES` if it is no regular file, and those of the host.
    pub fn of_unnamed(file: OwnedFd) -> Result<Self> {
        let file = File::from(file);
        let stat = file.metadata().map_err(|error| refused(&error))?;
        if !stat.is_file() {
            return Err(Errno::EACCES.into());
        }
        let ino = Ino(stat.ino().min(ROOT.0 - 1));
        let fs: Arc<dyn Filesystem> = Arc::new(Unnamed { file, ino });
        Self::new(
            &Mount::apart(fs, DEVICE, MountOptions::default()),
            ino,
            FileType::Regular,
        )
    }
}

/// What the host's error is to a guest.
fn refused(error: &std::io::Error) -> Errno {
    let known = error.raw_os_error();
    known.and_then(Errno::from_raw).unwrap_or(Errno::EIO)
}

/// Methods that would change something: nobody can, from here.
macro_rules! refuse {
    ($($name:ident($($argument:ty),*) -> $result:ty;)*) => {
        $(fn $name(&self, $(_: $argument),*) -> Result<$result> {
            Err(Errno::EROFS.into())
        })*
    };
}

impl Filesystem for Unnamed {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn features(&self) -> Features {
        Features {
            read_only: true,
            volatile: true,
            own_atime: true,
            no_set_id: true,
            ..Features::default()
        }
    }

    fn root(&self) -> Ino {
        ROOT
    }

    fn lookup(&self, _: Ino, _: &[u8]) -> Result<Attr> {
        Err(Errno::ENOENT.into())
    }

    fn parent(&self, _: Ino) -> Result<Ino> {
        Ok(ROOT)
    }

    fn getattr(&self, ino: Ino) -> Result<Attr> {
        if ino != self.ino {
            return Err(Errno::ESTALE.into());
        }
        let stat = self.file.metadata().map_err(|error| refused(&error))?;
        let time = |seconds: i64, ns: i64| Timestamp(seconds.saturating_mul(1_000_000_000).saturating_add(ns));
        Ok(Attr {
            ino,
            kind: FileType::Regular,
            mode: Mode::new(0o777),
            nlink: 0,
            uid: Uid::USER,
            gid: Gid::USER,
            rdev: 0,
            size: stat.len(),
            blocks: stat.blocks(),
            atime: time(stat.atime(), stat.atime_nsec()),
            mtime: time(stat.mtime(), stat.mtime_nsec()),
            ctime: time(stat.ctime(), stat.ctime_nsec()),
            btime: time(stat.ctime(), stat.ctime_nsec()),
        })
    }

    fn readlink(&self, _: Ino) -> Result<Vec<u8>> {
        Err(Errno::EINVAL.into())
    }

    fn readdir(&self, _: Ino, _: u64, _: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        Ok(())
    }

    fn read(&self, _: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        Ok(self.file.read_at(buf, offset).map_err(|error| refused(&error))?)
    }

    fn retain(&self, _: Ino) -> Result<()> {
        Ok(())
    }

    fn release(&self, _: Ino) {}

    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs {
            magic: 0x0102_1994,
            block_size: 4096,
            name_max: 255,
            ..StatFs::default()
        })
    }

    fn natives_own(&self, _: Ino) -> Result<Option<OwnedFd>> {
        const READ_ONLY: i32 = 0;
        let own = open_anew(self.file.as_fd(), READ_ONLY).map_err(|error| refused(&error))?;
        Ok(Some(own))
    }

    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    refuse! {
        setattr(Ino, &SetAttr) -> Attr;
        create(Ino, &[u8], &NewNode) -> Attr;
        mkdir(Ino, &[u8], &NewNode) -> Attr;
        symlink(Ino, &[u8], &[u8], &NewNode) -> Attr;
        link(Ino, Ino, &[u8]) -> Attr;
        unlink(Ino, &[u8]) -> ();
        rmdir(Ino, &[u8]) -> ();
        rename(Ino, &[u8], Ino, &[u8], RenameFlags) -> ();
        write(Ino, u64, &[u8]) -> usize;
        append(Ino, &[u8]) -> (usize, u64);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::vfs::{InodeHandle, Vfs};

    #[test]
    fn it_is_read_and_has_no_path_and_takes_no_change() {
        let mut made = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut made, b"content").unwrap();
        let location = Location::of_unnamed(made.try_clone().unwrap().into()).unwrap();
        let handle = InodeHandle::new(location.clone());
        let mut buf = [0; 16];
        assert_eq!(handle.read_at(3, &mut buf).unwrap(), 4);
        assert_eq!((&buf[..4], handle.getattr().unwrap().size), (&b"tent"[..], 7));
        // Its maker goes on writing.
        std::io::Write::write_all(&mut made, b" and more").unwrap();
        assert_eq!(handle.getattr().unwrap().size, 16);
        let (fs, ino) = (location.filesystem(), location.ino());
        assert_eq!(fs.write(ino, 0, b"x").unwrap_err(), Errno::EROFS);
        assert_eq!(fs.name_of(ino).unwrap_err(), Errno::ENOENT);
        let own = File::from(fs.natives_own(ino).unwrap().unwrap());
        assert!(own.metadata().unwrap().len() == 16 && std::io::Write::write(&mut &own, b"x").is_err());
        let vfs = Vfs::new(Arc::clone(fs));
        assert_eq!(vfs.real_path(&location).unwrap(), None);
        let dir = File::open("/").unwrap();
        assert_eq!(Location::of_unnamed(dir.into()).unwrap_err(), Errno::EACCES);
    }
}
