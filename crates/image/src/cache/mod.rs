//! Where unpacked layers are kept.
//!
//! ```text
//!   layers/KEY/index      the tree of the layer, with a digest at its end
//!   layers/KEY/digests    the digests of its content, by number, if it was put together (see `assembly`)
//!   layers/KEY/files/XX/N the content of its files, by number
//!   work/NAME/            a layer that is being unpacked; whoever does holds a lock on the directory
//!   marks/DIGEST          the digest of an archive, by path, size, times and number of its file
//! ```
//!
//! Archives are unpacked rather than read in place, also where they are not compressed, because a native program must be handed
//! a descriptor of *the file*, at whose beginning its content begins, and which all programs that map it share in memory; of a
//! part of an archive there is no descriptor. Content lies under numbers and never under names from the archive, so that
//! nothing in an archive can be, or lead to, a path of the host. Owners, modes, times, links and attributes are only in the
//! index.
//!
//! * The key is the digest of the archive: what has a key is never changed, and archives of the same content are one layer.
//! * A layer appears whole or not at all: it is written in `work`, flushed, and renamed. Of several processes that unpack the
//!   same at once one is first; the others throw theirs away.
//! * What a process that died has left in `work` is removed by the next one that opens the cache; the host gives up its lock.
//! * An index that is damaged is as good as none: the layer is thrown away and unpacked anew.
//! * The directory belongs to this user alone, and is refused where others may write to it. No guest can reach it.

mod layer;
mod work;

pub(crate) use layer::{Files, Layer};
pub(crate) use work::Work;

use crate::digest::Digest;
use crate::error::{Error, Result};
use rustix::fs::{self, AtFlags, FlockOperation, Mode, OFlags};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A directory of unpacked layers, which any number of processes of a user share. See the head of the module.
#[derive(Debug)]
pub struct Cache {
    path: PathBuf,
    layers: OwnedFd,
    work: OwnedFd,
    marks: OwnedFd,
}

/// Marks at most; beyond that all are forgotten, and made again when they are needed.
const MARKS_MOST: usize = 4096;
/// A file that was changed this lately may change again without another time.
const SETTLED: Duration = Duration::from_secs(3);

impl Cache {
    /// Opens a cache, which is made if there is none.
    ///
    /// # Errors
    /// Where it cannot be made, belongs to somebody else, or others may write to it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let failed = Error::host::<std::io::Error>(&path);
        let refused = Error::host::<rustix::io::Errno>(&path);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(failed)?;
        let dir = open_dir(fs::CWD, &path).map_err(&refused)?;
        let stat = fs::fstat(&dir).map_err(&refused)?;
        if stat.st_uid != rustix::process::geteuid().as_raw() || stat.st_mode & 0o022 != 0 {
            let reason = "must belong to this user, and nobody else may write to it";
            return Err(Error::source(&path, reason));
        }
        let sub = |name: &str| {
            match fs::mkdirat(&dir, name, Mode::from_raw_mode(0o700)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
            open_dir(&dir, Path::new(name))
        };
        let cache = Self {
            layers: sub("layers").map_err(&refused)?,
            work: sub("work").map_err(&refused)?,
            marks: sub("marks").map_err(&refused)?,
            path: path.clone(),
        };
        cache.sweep();
        Ok(cache)
    }

    /// The cache of this user: the directory `AGENTOS_IMAGE_CACHE`, or `agentos/images` in the user's cache directory.
    ///
    /// # Errors
    /// Those of [`open`](Self::open); where the environment names no home.
    pub fn user() -> Result<Self> {
        let absolute = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        if let Some(path) = absolute("AGENTOS_IMAGE_CACHE") {
            return Self::open(path);
        }
        let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        let cache = cache.ok_or_else(|| {
            let reason = "no directory to unpack archives into: set AGENTOS_IMAGE_CACHE, XDG_CACHE_HOME or HOME";
            Error::source(Path::new("cache"), reason)
        })?;
        Self::open(cache.join("agentos/images"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An unpacked layer, if it is here.
    pub(crate) fn layer(&self, key: Digest) -> Result<Option<Layer>> {
        let name = key.to_string();
        let dir = match open_dir(&self.layers, Path::new(&name)) {
            Ok(dir) => dir,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        match Layer::open(&dir) {
            Ok(layer) => Ok(Some(layer)),
            Err(_) => {
                self.discard(&name)?;
                Ok(None)
            }
        }
    }

    /// The index of a layer and the digests of its content, as they are written.
    pub(crate) fn notes(&self, key: Digest) -> Result<(Vec<u8>, Vec<u8>)> {
        let dir = open_dir(&self.layers, Path::new(&key.to_string()))?;
        Ok((Layer::note(&dir, "index")?, Layer::note(&dir, "digests")?))
    }

    /// Removes a layer, unless somebody holds it. Whether it is gone.
    pub(crate) fn remove(&self, key: Digest) -> Result<bool> {
        // The lock lasts until what is held here is dropped, when the layer has no name any more.
        let held = self.layer(key)?;
        let free = held.as_ref().is_none_or(|layer| layer.files.is_free());
        if free {
            self.discard(&key.to_string())?;
        }
        Ok(free)
    }

    /// Begins a layer.
    pub(crate) fn begin(&self) -> Result<Work<'_>> {
        Work::begin(self)
    }

    /// Moves a damaged layer out of the way, and removes it.
    fn discard(&self, name: &str) -> Result<()> {
        let aside = work::name();
        match fs::renameat(&self.layers, name, &self.work, &aside) {
            // Somebody else was faster.
            Err(rustix::io::Errno::NOENT) => return Ok(()),
            moved => moved?,
        }
        // What cannot be removed now is swept later.
        let _ = std::fs::remove_dir_all(self.path.join("work").join(aside));
        Ok(())
    }

    /// Removes what processes that died have left.
    fn sweep(&self) {
        let Ok(entries) = std::fs::read_dir(self.path.join("work")) else {
            return;
        };
        for entry in entries.flatten() {
            let lock = open_dir(fs::CWD, &entry.path());
            let free = lock
                .as_ref()
                .is_ok_and(|dir| fs::flock(dir, FlockOperation::NonBlockingLockExclusive).is_ok());
            if free {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    /// The digest that a file was found to have when it was last read, unless it has changed since.
    pub(crate) fn mark(&self, path: &Path, file: &File, flavour: &str) -> Option<Digest> {
        let name = mark_name(path, file, flavour)?;
        let mark = fs::openat(&self.marks, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let mut text = String::new();
        File::from(mark).take(65).read_to_string(&mut text).ok()?;
        Digest::parse(&text)
    }

    /// Remembers the digest of a file. That this fails, or is not done, costs the time to read the file again.
    pub(crate) fn remember(&self, path: &Path, file: &File, flavour: &str, digest: Digest) {
        let settled = file.metadata().ok().and_then(|metadata| {
            let changed = u64::try_from(metadata.ctime()).ok()?;
            let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(changed.saturating_add(1));
            SystemTime::now().duration_since(changed).ok()
        });
        let Some(name) = mark_name(path, file, flavour).filter(|_| settled.is_some_and(|since| since >= SETTLED))
        else {
            return;
        };
        let marks = self.path.join("marks");
        let many = std::fs::read_dir(&marks).is_ok_and(|entries| entries.count() >= MARKS_MOST);
        if many {
            for entry in std::fs::read_dir(&marks).into_iter().flatten().flatten() {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let draft = work::name();
        let Ok(mark) = fs::openat(&self.marks, &draft, flags, Mode::from_raw_mode(0o600)) else {
            return;
        };
        let written = File::from(mark).write_all(digest.to_string().as_bytes());
        let moved = written.is_ok() && fs::renameat(&self.marks, &draft, &self.marks, name).is_ok();
        if !moved {
            let _ = fs::unlinkat(&self.marks, &draft, AtFlags::empty());
        }
    }
}

fn mark_name(path: &Path, file: &File, flavour: &str) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let m = file.metadata().ok()?;
    let facts = [
        m.dev(),
        m.ino(),
        m.len(),
        m.mtime().cast_unsigned(),
        m.mtime_nsec().cast_unsigned(),
        m.ctime().cast_unsigned(),
        m.ctime_nsec().cast_unsigned(),
    ];
    let mut text = format!("{flavour} {facts:?} ").into_bytes();
    text.extend_from_slice(path.as_os_str().as_bytes());
    Some(Digest::of(&text).to_string())
}

pub(crate) fn open_dir(at: impl std::os::fd::AsFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(at, path, flags, Mode::empty())
}
