//! Creating and replacing files.

use crate::error::{Error, Result};
use crate::path;
use crate::vm::{AgentOs, Vm};
use agentos_kernel::cred::Credentials;
use agentos_kernel::id::Uid;
use agentos_kernel::vfs::{InodeHandle, Mode, OpenOptions, RenameFlags};
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
    /// An existing file keeps its mode and owner; one that belongs to somebody else, or stands in a directory that the
    /// VM's user may not change, is rewritten in place. `ENOENT`, `EISDIR`, `ENOSPC`, `EROFS`.
    pub async fn write_file(&self, path: impl AsRef<str>, content: impl AsRef<[u8]>) -> Result<()> {
        let path = self.writable(path.as_ref())?;
        self.vm
            .replace(&path, content.as_ref())
            .map_err(Error::file("writeFile", path.text))
    }

    /// Appends to a file, which is created if it is not there. All or nothing.
    pub async fn append_file(&self, path: impl AsRef<str>, content: impl AsRef<[u8]>) -> Result<()> {
        let path = self.writable(path.as_ref())?;
        self.vm
            .append(&path, content.as_ref())
            .map_err(Error::file("writeFile", path.text))
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
            outcomes.push(WriteOutcome {
                path: path.to_owned(),
                result,
            });
        }
        outcomes
    }

    async fn write_with_parents(&self, path: &str, content: &[u8]) -> Result<()> {
        let parent = path::parent(self.writable(path)?.text);
        if parent != "/" {
            self.mkdir_all(parent).await?;
        }
        self.write_file(path, content).await
    }
}

impl Vm {
    fn replace(&self, path: &[u8], content: &[u8]) -> Result<(), KernelError> {
        let vfs = self.kernel.vfs();
        // Through links, as a write to the file itself would go.
        let target = match self.as_user(|cx| vfs.realpath(cx, None, path)) {
            Ok(target) => target,
            Err(error) if error.errno() == Errno::ENOENT => path.to_vec(),
            Err(error) => return Err(error),
        };
        let existing = match self.as_user(|cx| vfs.stat(cx, None, &target, false)) {
            Ok(stat) => Some(stat.attr),
            Err(error) if error.errno() == Errno::ENOENT => None,
            Err(error) => return Err(error),
        };
        if let Some(attr) = &existing {
            // Permission to write the old file is needed although a new one takes its place.
            let old = self.open(
                &target,
                OpenOptions {
                    write: true,
                    ..OpenOptions::default()
                },
            )?;
            if attr.uid != Uid::USER {
                return rewrite(&old, content);
            }
            return match self.swap(&target, content, Some(attr.mode)) {
                Err(error) if error.errno() == Errno::EACCES => rewrite(&old, content),
                other => other,
            };
        }
        self.swap(&target, content, None)
    }

    /// Writes a new file beside `target` and gives it that name.
    fn swap(&self, target: &[u8], content: &[u8], mode: Option<Mode>) -> Result<(), KernelError> {
        let vfs = self.kernel.vfs();
        let temporary = temporary_name(target);
        let create = OpenOptions {
            write: true,
            create: true,
            exclusive: true,
            mode: Mode::new(0o666),
            ..OpenOptions::default()
        };
        let file = self.open(&temporary, create)?;
        let written = write_all(&file, content).and_then(|()| {
            self.as_user(|cx| {
                if let Some(mode) = mode {
                    vfs.chmod_location(cx, file.location(), mode)?;
                }
                vfs.rename(cx, None, &temporary, None, target, RenameFlags::Replace)
            })
        });
        if written.is_err() {
            // Whatever went wrong, nothing half-made stays behind.
            let _ = self.as_user(|cx| vfs.unlink(cx, None, &temporary));
        }
        written
    }

    fn append(&self, path: &[u8], content: &[u8]) -> Result<(), KernelError> {
        let options = OpenOptions {
            write: true,
            create: true,
            mode: Mode::new(0o666),
            ..OpenOptions::default()
        };
        let handle = self.open(path, options)?;
        let before = handle.getattr()?.size;
        let (written, _) = handle.append(&Credentials::user(), content)?;
        if written < content.len() {
            handle.truncate(&Credentials::user(), before)?;
            return Err(self
                .quota
                .bytes
                .exceeded(self.quota.bytes.used() + content.len() as u64, "writeFile")
                .into());
        }
        Ok(())
    }
}

fn rewrite(file: &InodeHandle, content: &[u8]) -> Result<(), KernelError> {
    file.truncate(&Credentials::user(), 0)?;
    write_all(file, content)
}

fn write_all(file: &InodeHandle, content: &[u8]) -> Result<(), KernelError> {
    let mut done = 0;
    while let Some(rest) = content.get(done..).filter(|rest| !rest.is_empty()) {
        done += file.write_at(&Credentials::user(), done as u64, rest)?;
    }
    Ok(())
}

/// A name beside `target` that nobody else uses.
fn temporary_name(target: &[u8]) -> Vec<u8> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let folder = target.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let mut name = target.get(..folder).unwrap_or_default().to_vec();
    name.extend_from_slice(format!(".agentos-write-{}", NEXT.fetch_add(1, Ordering::Relaxed)).as_bytes());
    name
}
