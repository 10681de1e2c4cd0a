//! An unpacked layer.

use super::{open_dir, work};
use crate::error::Result;
use crate::tree::{Draft, decode};
use agentos_kernel::Errno;
use rustix::fs::{self, FlockOperation, Mode, OFlags, ResolveFlags};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

/// A layer: its tree, and where its content is.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) draft: Arc<Draft>,
    pub(crate) files: Arc<Files>,
}

/// Content of a layer's files.
#[derive(Debug)]
pub(crate) struct Files(OwnedFd);

/// Largest index, and largest list of digests, that is read to check it.
const INDEX_MOST: u64 = 1 << 30;

impl Layer {
    /// The bytes of a file that is about the layer.
    pub(super) fn note(dir: &OwnedFd, name: &str) -> Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(fs::openat(dir, name, flags, Mode::empty())?);
        let mut bytes = Vec::new();
        file.take(INDEX_MOST).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn open(dir: &OwnedFd) -> Result<Self> {
        Ok(Self {
            draft: Arc::new(decode(&Self::note(dir, "index")?)?),
            files: Arc::new(Files(open_dir(dir, Path::new("files"))?)),
        })
    }
}

impl Files {
    /// Says that the content is in use, until this is dropped.
    pub(crate) fn hold(&self) -> Result<()> {
        fs::flock(&self.0, FlockOperation::NonBlockingLockShared)?;
        // Whoever removes it holds the lock meanwhile; afterwards there is a directory without a name.
        match fs::fstat(&self.0)?.st_nlink {
            0 => Err(rustix::io::Errno::NOENT.into()),
            _ => Ok(()),
        }
    }

    /// Whether nobody holds it; nobody can from now on, until this is dropped.
    pub(crate) fn is_free(&self) -> bool {
        fs::flock(&self.0, FlockOperation::NonBlockingLockExclusive).is_ok()
    }

    /// Opens the content of a file, which has to have this size.
    pub(crate) fn open(&self, number: u32, size: u64) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = fs::openat2(&self.0, work::file_path(number), flags, Mode::empty(), resolve);
        let file = file.map_err(|errno| match errno {
            // Somebody has emptied the cache.
            rustix::io::Errno::NOENT => Errno::EIO,
            errno => errno.into(),
        })?;
        match u64::try_from(fs::fstat(&file)?.st_size) == Ok(size) {
            true => Ok(file),
            false => Err(Errno::EIO),
        }
    }
}
