//! Creating and replacing files.

use crate::error::{Error, Result};
use crate::path;
use crate::vm::{AgentOs, Vm};
use agentos_kernel::cred::Credentials;
use agentos_kernel::vfs::{Mode, OpenOptions, RenameFlags};
use agentos_kernel::{Errno, Error as KernelError};
use std::sync::atomic::{AtomicU64, Ordering};

/// One file of [`AgentOs::write_files`].
#[derive(Debug)]
#[non_exhaustive]
pub struct WriteOutcome {
    /// Path as given.
    pub path: String,
    /// Whether it was written.
    pub result: Result<()>,
}

impl AgentOs {
    /// Creates or replaces a file atomically: others see the old content or the new, never a part. The parent must exist.
    /// An existing file keeps its mode and owner. `ENOENT`, `EISDIR`, `ENOSPC`, `EROFS`.
    pub async fn write_file(&self, path: impl AsRef<str>, content: impl AsRef<[u8]>) -> Result<()> {
        let path = path::check_writable(path.as_ref())?;
        self.vm.replace(path, content.as_ref()).map_err(Error::file("writeFile", path))
    }

    /// Appends to a file, which is created if it is not there. All or nothing.
    pub async fn append_file(&self, path: impl AsRef<str>, content: impl AsRef<[u8]>) -> Result<()> {
        let path = path::check_writable(path.as_ref())?;
        self.vm.append(path, content.as_ref()).map_err(Error::file("writeFile", path))
    }

    /// Writes many files in the given order, creating missing parents; one that fails does not fail the others.
    pub async fn write_files<P: AsRef<str>, C: AsRef<[u8]>>(
        &self,
        files: impl IntoIterator<Item = (P, C)>,
    ) -> Vec<WriteOutcome> {
        let mut outcomes = Vec::new();
        for (path, content) in files {
            let path = path.as_ref();
            let result = self.write_with_parents(path, content.as_ref()).await;
            outcomes.push(WriteOutcome { path: path.to_owned(), result });
        }
        outcomes
    }

    async fn write_with_parents(&self, path: &str, content: &[u8]) -> Result<()> {
        let (parent, _) = path::split(path::check_writable(path)?);
        if parent != "/" {
            self.mkdir_all(parent).await?;
        }
        self.write_file(path, content).await
    }
}

impl Vm {
    fn replace(&self, path: &str, content: &[u8]) -> Result<(), KernelError> {
        let vfs = self.kernel.vfs();
        // Through links, as a write to the file itself would go.
        let target = match self.as_user(|cx| vfs.realpath(cx, None, path.as_bytes())) {
            Ok(target) => target,
            Err(error) if error.errno() == Errno::ENOENT => path.as_bytes().to_vec(),
            Err(error) => return Err(error),
        };
        let existing = match self.as_user(|cx| vfs.stat(cx, None, &target, false)) {
            Ok(stat) => Some(stat.attr),
            Err(error) if error.errno() == Errno::ENOENT => None,
            Err(error) => return Err(error),
        };
        // Permission to write the old file is needed although a new one takes its place.
        let check = OpenOptions { write: true, ..OpenOptions::default() };
        if existing.is_some() {
            self.open(path, &check)?;
        }
        let temporary = temporary_name(&target);
        let written = self.write_new(&temporary, content).and_then(|()| {
            self.as_user(|cx| {
                if let Some(attr) = &existing {
                    vfs.chmod(cx, None, &temporary, attr.mode)?;
                }
                vfs.rename(cx, None, &temporary, None, &target, RenameFlags::Replace)
            })
        });
        if written.is_err() {
            // Whatever went wrong, nothing half-made stays behind.
            let _ = self.as_user(|cx| vfs.unlink(cx, None, &temporary));
        }
        written
    }

    fn write_new(&self, path: &[u8], content: &[u8]) -> Result<(), KernelError> {
        let options = OpenOptions {
            write: true,
            create: true,
            exclusive: true,
            mode: Mode::new(0o666),
            ..OpenOptions::default()
        };
        let path = String::from_utf8_lossy(path);
        let handle = self.open(&path, &options)?;
        let mut done = 0;
        while let Some(rest) = content.get(done..).filter(|rest| !rest.is_empty()) {
            done += handle.write_at(&Credentials::user(), done as u64, rest)?;
        }
        Ok(())
    }

    fn append(&self, path: &str, content: &[u8]) -> Result<(), KernelError> {
        let options = OpenOptions { write: true, create: true, mode: Mode::new(0o666), ..OpenOptions::default() };
        let handle = self.open(path, &options)?;
        let before = handle.getattr()?.size;
        let (written, _) = handle.append(&Credentials::user(), content)?;
        if written < content.len() {
            handle.truncate(&Credentials::user(), before)?;
            return Err(self.quota.bytes.exceeded(self.quota.bytes.used() + content.len() as u64, "writeFile").into());
        }
        Ok(())
    }
}

/// A name beside `target` that nobody else uses.
fn temporary_name(target: &[u8]) -> Vec<u8> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let folder = target.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let mut name = target.get(..folder).unwrap_or_default().to_vec();
    name.extend_from_slice(format!(".agentos-write-{}", NEXT.fetch_add(1, Ordering::Relaxed)).as_bytes());
    name
}
