//! Creating and replacing files.

use super::Files;
use crate::error::{Error, Result};
use crate::path;
use crate::vm::AgentOs;
use agentos_kernel::cred::Credentials;
use agentos_kernel::id::Uid;
use agentos_kernel::policy::Operation;
use agentos_kernel::vfs::{Attr, InodeHandle, Mode, OpenOptions, RenameFlags};
use agentos_kernel::{Errno, Error as KernelError};
use bytes::Bytes;
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
        let written = self.files().replace(&path, Content::Lent(content.as_ref()));
        self.vm.noted(written.map_err(Error::file("writeFile", path.text)))
    }

    /// As [`write_file`](Self::write_file), with content that the caller gives away: where nobody else holds its memory, a large
    /// one becomes the file without being copied.
    pub async fn write_file_owned(&self, path: impl AsRef<str>, content: impl Into<Bytes>) -> Result<()> {
        let path = self.writable(path.as_ref())?;
        let content = given(content.into());
        let written = self.files().replace(
            &path,
            match &content {
                Ok(content) => Content::Given(content),
                Err(content) => Content::Lent(content),
            },
        );
        self.vm.noted(written.map_err(Error::file("writeFile", path.text)))
    }

    /// As [`write_file`](Self::write_file), with content whose memory the file may share with whoever else holds it: a large one
    /// becomes the file as it is. For content that fills its memory, since the file pays for its length; what is changed in the
    /// file later is in memory of its own.
    pub async fn write_file_shared(&self, path: impl AsRef<str>, content: impl Into<Bytes>) -> Result<()> {
        let path = self.writable(path.as_ref())?;
        let written = self.files().replace(&path, Content::Given(&content.into()));
        self.vm.noted(written.map_err(Error::file("writeFile", path.text)))
    }

    /// Appends to a file, which is created if it is not there. All or nothing.
    pub async fn append_file(&self, path: impl AsRef<str>, content: impl AsRef<[u8]>) -> Result<()> {
        let path = self.writable(path.as_ref())?;
        let written = self.files().append(&path, content.as_ref());
        self.vm.noted(written.map_err(Error::file("writeFile", path.text)))
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

/// What is to be written.
#[derive(Clone, Copy)]
enum Content<'a> {
    /// Bytes to copy.
    Lent(&'a [u8]),
    /// Bytes whose memory is no larger than they are, and that nobody changes.
    Given(&'a Bytes),
}

/// Memory beyond the content that is worth keeping the rest, in bytes.
const SLACK: usize = 4096;

/// Content whose memory is nobody else's and no larger than it is, if it can be had so.
fn given(content: Bytes) -> Result<Bytes, Bytes> {
    if !content.is_unique() {
        return Err(content);
    }
    // A part of a larger buffer moves to its front, which the capacity tells of.
    let content = Vec::from(content);
    match content.capacity() - content.len() <= SLACK {
        true => Ok(content.into()),
        false => Err(content.into()),
    }
}

impl Files<'_> {
    fn replace(&self, path: &[u8], content: Content<'_>) -> Result<(), KernelError> {
        let vfs = self.kernel.vfs();
        // Through links, as a write to the file itself would go.
        let target = match self.as_kernel(|cx| vfs.realpath(cx, None, path)) {
            Ok(target) => target,
            Err(error) if error.errno() == Errno::ENOENT => path.to_vec(),
            Err(error) => return Err(error),
        };
        match self.as_kernel(|cx| vfs.stat(cx, None, &target, false)) {
            Ok(stat) => self.replace_existing(&target, &stat.attr, content),
            Err(error) if error.errno() == Errno::ENOENT => self.create_whole(&target, content),
            Err(error) => Err(error),
        }
    }

    fn replace_existing(&self, target: &[u8], attr: &Attr, content: Content<'_>) -> Result<(), KernelError> {
        // Permission to write the old file is needed although a new one takes its place.
        let old = self.open(
            target,
            OpenOptions {
                write: true,
                ..OpenOptions::default()
            },
        )?;
        self.as_user(|cx| self.kernel.vfs().may_truncate(cx, old.location()))?;
        if attr.uid != Uid::USER || !self.may_swap(target, true) {
            return rewrite(&old, content);
        }
        match self.swap(target, content, Some(attr.mode)) {
            Err(error) if error.errno() == Errno::EACCES => rewrite(&old, content),
            other => other,
        }
    }

    fn create_whole(&self, target: &[u8], content: Content<'_>) -> Result<(), KernelError> {
        let vfs = self.kernel.vfs();
        if self.may_swap(target, false) {
            self.as_user(|cx| vfs.may(cx, Operation::FsWrite, target))?;
            return self.swap(target, content, None);
        }
        let file = self.open(target, NEW)?;
        let written = write_all(&file, content);
        if written.is_err() {
            // The name was made by this call; taking it back is no removal.
            let _ = self.as_kernel(|cx| vfs.unlink(cx, None, target));
        }
        written
    }

    /// Whether the policy lets a file beside `target` be made and take its place. Where it does not, the file itself is
    /// written.
    fn may_swap(&self, target: &[u8], exists: bool) -> bool {
        let vfs = self.kernel.vfs();
        if self.trusted || !vfs.is_ruled() {
            return true;
        }
        let temporary = temporary_name(target);
        self.as_user(|cx| {
            vfs.allows(cx, Operation::FsWrite, &temporary)
                && vfs.allows(cx, Operation::FsRename, &temporary)
                && vfs.allows(cx, Operation::FsRename, target)
                && (!exists || vfs.allows(cx, Operation::FsChmod, &temporary))
        })
    }

    /// Writes a new file beside `target` and gives it that name.
    fn swap(&self, target: &[u8], content: Content<'_>, mode: Option<Mode>) -> Result<(), KernelError> {
        let vfs = self.kernel.vfs();
        let temporary = temporary_name(target);
        let file = self.open(&temporary, NEW)?;
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
            let _ = self.as_kernel(|cx| vfs.unlink(cx, None, &temporary));
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

/// How a file that must not be there yet is made.
const NEW: OpenOptions = OpenOptions {
    read: false,
    write: true,
    create: true,
    exclusive: true,
    truncate: false,
    directory: false,
    no_follow: false,
    path_only: false,
    unnamed: false,
    mode: Mode::new(0o666),
};

fn rewrite(file: &InodeHandle, content: Content<'_>) -> Result<(), KernelError> {
    file.truncate(&Credentials::user(), 0)?;
    write_all(file, content)
}

fn write_all(file: &InodeHandle, content: Content<'_>) -> Result<(), KernelError> {
    let content = match content {
        Content::Given(content) if file.adopt(&Credentials::user(), content)? => return Ok(()),
        Content::Given(content) => content,
        Content::Lent(content) => content,
    };
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
