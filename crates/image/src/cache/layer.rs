//! An unpacked layer.

use super::{open_dir, work};
use crate::error::Result;
use crate::tree::{Draft, decode};
use agentos_kernel::Errno;
use rustix::fs::{self, Mode, OFlags, ResolveFlags};
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

impl Layer {
    pub(super) fn open(dir: &OwnedFd) -> Result<Self> {
        let index = fs::openat(
            dir,
            "index",
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let mut bytes = Vec::new();
        File::from(index).read_to_end(&mut bytes)?;
        Ok(Self {
            draft: Arc::new(decode(&bytes)?),
            files: Arc::new(Files(open_dir(dir, Path::new("files"))?)),
        })
    }
}

impl Files {
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
