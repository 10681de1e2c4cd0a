//! What to mount into a VM (api.md section 8).

use crate::error::{Error, Result};
use crate::{host, path};
use agentos_kernel::Error as KernelError;
use agentos_kernel::id::{Gid, Uid};
use agentos_kernel::vfs::{CappedFs, Filesystem, FsQuota, HostDirFs, MemoryFs, Mode, SetAttr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A filesystem to mount at a path of the VM.
#[derive(Clone)]
pub struct Mount {
    pub(crate) guest: String,
    pub(crate) source: Source,
    pub(crate) read_only: bool,
    max_bytes: Option<u64>,
    max_files: Option<u64>,
}

/// Where the content comes from.
#[derive(Clone)]
pub(crate) enum Source {
    /// A directory of the host.
    HostDir(PathBuf),
    /// A fresh memory filesystem, counted against the VM's quota.
    Memory,
    /// Anything that implements the trait.
    Filesystem(Arc<dyn Filesystem>),
}

impl Mount {
    /// A host directory. It must exist when the VM is created; symbolic links and `..` inside cannot leave it.
    pub fn host_dir(host: impl Into<PathBuf>, guest: impl Into<String>) -> Self {
        Self::new(guest, Source::HostDir(host.into()))
    }

    /// An empty filesystem in memory.
    pub fn memory(guest: impl Into<String>) -> Self {
        Self::new(guest, Source::Memory)
    }

    /// A filesystem of your own.
    pub fn filesystem(guest: impl Into<String>, filesystem: Arc<dyn Filesystem>) -> Self {
        Self::new(guest, Source::Filesystem(filesystem))
    }

    fn new(guest: impl Into<String>, source: Source) -> Self {
        Self {
            guest: guest.into(),
            source,
            read_only: false,
            max_bytes: None,
            max_files: None,
        }
    }

    /// Most bytes that are added through this mount (`ENOSPC`): content, link texts and extended attributes. What is there
    /// already does not count; what is removed makes room again. A mount in memory counts against `maxFilesystemBytes` in any
    /// case.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Most files, directories and links that are added through this mount (`ENOSPC`).
    #[must_use]
    pub fn max_files(mut self, files: u64) -> Self {
        self.max_files = Some(files);
        self
    }

    /// Path in the VM.
    pub fn guest(&self) -> &str {
        &self.guest
    }

    /// Whether it lies in `/root`, which nobody but the superuser may enter unless something was mounted there for others
    /// (`/root/node_modules`).
    pub(crate) fn is_in_roots_home(&self) -> bool {
        self.guest.starts_with("/root/")
    }

    /// The filesystem with the caps of this mount, if it has any.
    pub(crate) fn capped(&self, filesystem: Arc<dyn Filesystem>) -> Arc<dyn Filesystem> {
        match (self.max_bytes, self.max_files) {
            (None, None) => filesystem,
            (bytes, files) => CappedFs::new(filesystem, bytes, files),
        }
    }

    /// Refuses every change through this mount with `EROFS`.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// What is mounted, for messages and `/proc/mounts`.
    pub(crate) fn source_name(&self) -> String {
        match &self.source {
            Source::HostDir(host) => host.display().to_string(),
            Source::Memory => "memory".to_owned(),
            Source::Filesystem(filesystem) => filesystem.kind().to_owned(),
        }
    }

    /// An error about this mount.
    pub(crate) fn refused(&self, reason: impl Into<String>) -> Error {
        Error::Mount {
            guest: self.guest.clone(),
            source_name: self.source_name(),
            reason: reason.into(),
        }
    }

    /// Checks everything that can be known before the VM exists.
    pub(crate) fn check(&self, cache_dir: Option<&Path>) -> Result<()> {
        path::check(&self.guest).map_err(|error| self.refused(format!("{error} (a guest path such as /src)")))?;
        if is_reserved(self.guest.as_bytes()) {
            return Err(self.refused(RESERVED));
        }
        match &self.source {
            Source::HostDir(host) => self.check_host(host, cache_dir),
            Source::Memory | Source::Filesystem(_) => Ok(()),
        }
    }

    fn check_host(&self, host: &Path, cache_dir: Option<&Path>) -> Result<()> {
        match std::fs::metadata(host) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(self.refused("not a directory; only host directories can be mounted")),
            Err(error) => return Err(self.refused(format!("{error}; the host directory must exist"))),
        }
        let real = host.canonicalize().map_err(|error| self.refused(error.to_string()))?;
        if real == Path::new("/") {
            return Err(self.refused("the root of the host cannot be mounted; choose a directory in it"));
        }
        // A guest that writes there would write programs that the host runs.
        let cache = cache_dir.and_then(|dir| dir.canonicalize().ok());
        match cache {
            Some(cache) if !self.read_only && (cache.starts_with(&real) || real.starts_with(&cache)) => {
                let cache = cache.display();
                Err(self.refused(format!(
                    "holds or is in {cache}, where compiled programs are kept; mount it read-only, or set another cache_dir"
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Why a guest path is refused.
pub(crate) const RESERVED: &str = "this path belongs to the VM; choose another";

/// Whether a guest path belongs to the VM itself: `/`, and `/proc`, `/dev`, `/sys` and `/etc/agentos` with what is in them,
/// but for directories in `/dev/shm`.
pub(crate) fn is_reserved(path: &[u8]) -> bool {
    let inside = |tree: &[u8]| {
        path.strip_prefix(tree)
            .is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
    };
    let own = [&b"/proc"[..], b"/dev", b"/sys", b"/etc/agentos"];
    path == b"/" || (own.iter().any(|tree| inside(tree)) && !path.starts_with(b"/dev/shm/"))
}

impl std::fmt::Debug for Mount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mount")
            .field("guest", &self.guest)
            .field("source", &self.source_name())
            .field("read_only", &self.read_only)
            .finish()
    }
}

/// What `/root` becomes by a mount in it: others may go through, and neither list nor change it.
pub(crate) const ENTERED: Mode = Mode::new(0o711);

/// Opens a host directory as a filesystem.
pub(crate) fn open_host(mount: &Mount, host: &Path) -> Result<Arc<dyn Filesystem>> {
    let opened = HostDirFs::open(host, mount.read_only);
    Ok(opened.map_err(|error| mount.refused(error.to_string()))?)
}

/// An empty filesystem in memory that belongs to the VM's user, as a directory of the host does.
pub(crate) fn memory(quota: Arc<FsQuota>) -> Result<Arc<dyn Filesystem>, KernelError> {
    let memory = MemoryFs::new(host::system_clock(), quota);
    let owner = SetAttr {
        uid: Some(Uid::USER),
        gid: Some(Gid::USER),
        ..SetAttr::default()
    };
    memory.setattr(memory.root(), &owner)?;
    Ok(memory)
}

/// A mount of a running VM.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MountedAt {
    /// Path in the VM.
    pub guest: String,
    /// Kind of filesystem.
    pub kind: String,
    /// Whether changes are refused.
    pub read_only: bool,
}
