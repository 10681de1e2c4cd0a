//! A layer that is being unpacked.

use super::{Cache, Layer, open_dir};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::tree::{Draft, encode};
use rustix::fs::{self, FlockOperation, Mode, OFlags};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Content that is being written, in a directory of its own that vanishes with this value unless it is published.
pub(crate) struct Work<'a> {
    cache: &'a Cache,
    name: String,
    /// Locked as long as this lives.
    dir: OwnedFd,
    files: OwnedFd,
    next: u32,
    /// Digests of the content, by number, where somebody wants them.
    digests: Option<Vec<Digest>>,
}

/// Bytes that are copied at once.
const PIECE: usize = 128 * 1024;
/// Names that are tried.
const TRIES: usize = 64;

/// A name that nobody else has.
pub(super) fn name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut random = [0; 8];
    // Without randomness names are still unlike in one process, and a name that is taken is tried again.
    let _ = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
    let (pid, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    format!("{pid}-{next}-{:016x}", u64::from_ne_bytes(random))
}

/// Where the content of a file is, below `files`.
pub(super) fn file_path(number: u32) -> String {
    format!("{:02x}/{:x}", number & 0xff, number >> 8)
}

impl<'a> Work<'a> {
    pub(super) fn begin(cache: &'a Cache) -> Result<Self> {
        for _ in 0..TRIES {
            let name = name();
            match fs::mkdirat(&cache.work, &name, Mode::from_raw_mode(0o700)) {
                Err(rustix::io::Errno::EXIST) => continue,
                made => made?,
            }
            // Between making and locking it somebody who sweeps may take it for left behind.
            let Ok(dir) = open_dir(&cache.work, Path::new(&name)) else {
                continue;
            };
            if fs::flock(&dir, FlockOperation::NonBlockingLockExclusive).is_err() || fs::fstat(&dir)?.st_nlink == 0 {
                continue;
            }
            fs::mkdirat(&dir, "files", Mode::from_raw_mode(0o700))?;
            let files = open_dir(&dir, Path::new("files"))?;
            return Ok(Self {
                cache,
                name,
                dir,
                files,
                next: 0,
                digests: None,
            });
        }
        Err(Error::source(&cache.path, "no directory to unpack into could be made"))
    }

    /// Keeps the digests of what is stored from now on.
    pub(crate) fn with_digests(mut self) -> Self {
        self.digests = Some(Vec::new());
        self
    }

    /// The digests that were kept, one after the other.
    pub(crate) fn digests(&self) -> Vec<u8> {
        let digests = self.digests.as_deref().unwrap_or_default();
        digests.iter().flat_map(|digest| digest.0).collect()
    }

    /// Stores the content of the next file, and returns its number and size. Zeros become holes.
    pub(crate) fn store(&mut self, mut read: impl FnMut(&mut [u8]) -> Result<usize>) -> Result<(u32, u64)> {
        let number = self.next;
        self.next = number.checked_add(1).ok_or(Error::Limit {
            what: "files of a layer",
            observed: u64::from(u32::MAX) + 1,
            capacity: u64::from(u32::MAX),
            unit: "files",
        })?;
        if number < 0x100 {
            fs::mkdirat(&self.files, format!("{number:02x}"), Mode::from_raw_mode(0o700))?;
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(fs::openat(
            &self.files,
            file_path(number),
            flags,
            Mode::from_raw_mode(0o400),
        )?);
        let mut buf = vec![0; PIECE];
        let mut size = 0;
        let mut hasher = self.digests.is_some().then(Hasher::default);
        loop {
            let count = fill(&mut buf, &mut read)?;
            let piece = buf.get(..count).unwrap_or_default();
            if let Some(hasher) = &mut hasher {
                hasher.update(piece);
            }
            if piece.iter().any(|byte| *byte != 0) {
                std::os::unix::fs::FileExt::write_all_at(&file, piece, size)?;
            }
            size += count as u64;
            if count < buf.len() {
                file.set_len(size)?;
                if let (Some(digests), Some(hasher)) = (&mut self.digests, hasher) {
                    digests.push(hasher.digest());
                }
                return Ok((number, size));
            }
        }
    }

    /// Reads what was stored.
    pub(crate) fn stored(&self, number: u32) -> Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(fs::openat(&self.files, file_path(number), flags, Mode::empty())?.into())
    }

    /// A file without a name, for what is needed while this lives.
    pub(crate) fn scratch(&self) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = fs::openat(&self.dir, "scratch", flags, Mode::from_raw_mode(0o600))?;
        fs::unlinkat(&self.dir, "scratch", fs::AtFlags::empty())?;
        Ok(file.into())
    }

    /// Makes the layer known under its key, whole and on the disk; or takes the one that somebody else has made meanwhile.
    pub(crate) fn publish(self, draft: &Draft, key: Digest) -> Result<Layer> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mut index = File::from(fs::openat(&self.dir, "index", flags, Mode::from_raw_mode(0o400))?);
        index.write_all(&encode(draft))?;
        if self.digests.is_some() {
            let mut digests = File::from(fs::openat(&self.dir, "digests", flags, Mode::from_raw_mode(0o400))?);
            digests.write_all(&self.digests())?;
        }
        fs::syncfs(&self.dir)?;
        let key_name = key.to_string();
        match fs::renameat(&self.cache.work, &self.name, &self.cache.layers, &key_name) {
            Err(rustix::io::Errno::EXIST | rustix::io::Errno::NOTEMPTY) => {}
            moved => moved?,
        }
        fs::fsync(&self.cache.layers)?;
        let gone = || Error::source(&self.cache.path, "a layer vanished right after it was unpacked");
        self.cache.layer(key)?.ok_or_else(gone)
    }
}

/// Reads until the buffer is full or nothing comes any more.
fn fill(buf: &mut [u8], read: &mut impl FnMut(&mut [u8]) -> Result<usize>) -> Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match read(buf.get_mut(done..).unwrap_or_default())? {
            0 => break,
            count => done += count,
        }
    }
    Ok(done)
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        // Once published there is nothing of that name.
        let _ = std::fs::remove_dir_all(self.cache.path.join("work").join(&self.name));
    }
}
