//! An opened image.

use crate::error::{Error, Result};
use crate::live::{LiveFs, host};
use crate::source::Source;
use agentos_kernel::Errno;
use agentos_kernel::vfs::{FileType, Filesystem};
use core::fmt;
use rustix::fs::{self, Mode, OFlags};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A read-only tree for the roots of VMs. Clones are the same image.
#[derive(Clone)]
pub struct Image {
    inner: Arc<Inner>,
}

struct Inner {
    source: Source,
    filesystem: Arc<dyn Filesystem>,
}

impl Image {
    /// Opens an image.
    ///
    /// # Errors
    /// [`Error`], which names the image and what is wrong with it.
    pub fn open(source: &Source) -> Result<Self> {
        let filesystem: Arc<dyn Filesystem> = match source {
            Source::Host => {
                let root = open_dir(Path::new("/"))?;
                confined(&root, Path::new("/"))?;
                host::view(&root).map_err(|errno| Error::source(Path::new("host"), errno.to_string()))?
            }
            Source::Path(path) => open_path(path)?,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                source: source.clone(),
                filesystem,
            }),
        })
    }

    /// What it was made of.
    pub fn source(&self) -> &Source {
        &self.inner.source
    }

    /// Content of a regular file of at most `most` bytes, at an absolute path without links in it. None if there is no such
    /// file.
    pub fn read(&self, path: &str, most: u64) -> Option<Vec<u8>> {
        let fs = &self.inner.filesystem;
        let mut at = fs.getattr(fs.root()).ok()?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = fs.lookup(at.ino, name.as_bytes()).ok()?;
        }
        if at.kind != FileType::Regular || at.size > most {
            return None;
        }
        let mut content = vec![0; usize::try_from(at.size).ok()?];
        let mut done = 0;
        while done < content.len() {
            match fs.read(at.ino, done as u64, content.get_mut(done..)?).ok()? {
                0 => break,
                count => done += count,
            }
        }
        content.truncate(done);
        Some(content)
    }

    /// The tree. Nothing can change it.
    pub fn filesystem(&self) -> Arc<dyn Filesystem> {
        Arc::clone(&self.inner.filesystem)
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("source", &self.inner.source)
            .finish_non_exhaustive()
    }
}

fn open_path(path: &Path) -> Result<Arc<dyn Filesystem>> {
    let metadata = std::fs::metadata(path).map_err(|error| Error::source(path, error.to_string()))?;
    if !metadata.is_dir() {
        return Err(Error::source(path, "is not a directory"));
    }
    let real = path.canonicalize().map_err(Error::host(path))?;
    if let Some(reason) = refused(&real) {
        return Err(Error::source(path, reason));
    }
    let dir = open_dir(path)?;
    confined(&dir, path)?;
    Ok(LiveFs::directory(dir))
}

/// Why a directory cannot be an image.
fn refused(real: &Path) -> Option<String> {
    if real == Path::new("/") {
        return Some("the root of the host cannot be an image; `host` is what of it can be".to_owned());
    }
    let kernel = ["/proc", "/sys", "/dev"].map(PathBuf::from);
    kernel
        .iter()
        .any(|dir| real.starts_with(dir))
        .then(|| format!("{} is the host's kernel, not files", real.display()))
}

fn open_dir(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::open(path, flags, Mode::empty()).map_err(|errno| Error::source(path, Errno::from(errno).to_string()))
}

/// Nothing is opened where the host cannot confine what is below.
fn confined(dir: &OwnedFd, path: &Path) -> Result<()> {
    crate::live::probe(dir).map_err(|errno| {
        let reason = format!("the host kernel does not offer openat2 ({errno}); Linux 5.6 or newer is needed");
        Error::source(path, reason)
    })
}
