//! Reading files.

use super::Files;
use crate::error::{Error, Result};
use crate::vm::AgentOs;
use agentos_kernel::vfs::{InodeHandle, OpenOptions, Opened};
use agentos_kernel::{Errno, Error as KernelError, LimitExceeded};
use bytes::Bytes;

/// Smaller files are copied, which is faster than sharing them.
const WHOLE_FROM: usize = 64 << 10;

/// One file of [`AgentOs::read_files`].
#[derive(Debug)]
#[non_exhaustive]
pub struct FileOutcome {
    /// Path as given.
    pub path: String,
    /// Content, or why there is none.
    pub content: Result<Bytes>,
}

impl AgentOs {
    /// Reads a whole file of up to `limits.resources.maxPreadBytes`; a larger one is read in ranges. A large one that nobody has
    /// changed since it was given is not copied. `ENOENT`, `EISDIR`, `EACCES`, `ELOOP`.
    pub async fn read_file(&self, path: impl AsRef<str>) -> Result<Bytes> {
        let path = self.readable(path.as_ref())?;
        let read = self.files().read(&path, 0, None, zeroed);
        self.vm.noted(read.map_err(Error::file("readFile", path.text)))
    }

    /// Reads a whole file as text; bytes that are not UTF-8 become replacement characters.
    pub async fn read_text(&self, path: impl AsRef<str>) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.read_file(path).await?).into_owned())
    }

    /// Reads `length` bytes from `offset`; fewer at the end of the file.
    pub async fn read_file_range(&self, path: impl AsRef<str>, offset: u64, length: u64) -> Result<Bytes> {
        let path = self.readable(path.as_ref())?;
        let read = self.files().read(&path, offset, Some(length), zeroed);
        self.vm.noted(read.map_err(Error::file("readFile", path.text)))
    }

    /// Reads `length` bytes from `offset`, or all that follow, into a buffer that `buffer` gives when it knows how many bytes
    /// are expected: for hosts that have memory of their own for large contents. The buffer is best of that length and zero. A
    /// content that needs no copy is given as it is, without a buffer.
    pub async fn read_file_with(
        &self,
        path: impl AsRef<str>,
        offset: u64,
        length: Option<u64>,
        buffer: impl FnOnce(usize) -> Vec<u8>,
    ) -> Result<Bytes> {
        let path = self.readable(path.as_ref())?;
        let read = self.files().read(&path, offset, length, buffer);
        self.vm.noted(read.map_err(Error::file("readFile", path.text)))
    }

    /// Reads many files in the given order; one that fails does not fail the others.
    pub async fn read_files<P: AsRef<str>>(&self, paths: impl IntoIterator<Item = P>) -> Vec<FileOutcome> {
        let mut outcomes = Vec::new();
        for path in paths {
            let content = self.read_file(path.as_ref()).await;
            outcomes.push(FileOutcome {
                path: path.as_ref().to_owned(),
                content,
            });
        }
        outcomes
    }
}

/// A buffer of the usual memory.
fn zeroed(length: usize) -> Vec<u8> {
    vec![0; length]
}

/// The content of a large file without a copy, where it is asked for as a whole and unchanged since it was given. Whoever changes
/// the file afterwards does so in other memory.
fn whole(handle: &InodeHandle, offset: u64, expected: usize) -> Result<Option<Bytes>, KernelError> {
    if offset > 0 || expected < WHOLE_FROM {
        return Ok(None);
    }
    let Some(blob) = handle.blob().filter(|blob| blob.len() == expected as u64) else {
        return Ok(None);
    };
    // A lazy one whose loading fails is shorter than it said.
    let content = blob.bytes();
    if content.len() != expected {
        return Ok(None);
    }
    // As any reading, this may be refused, and is an access.
    handle.read_at(0, &mut [0])?;
    Ok(Some(content.clone()))
}

impl Files<'_> {
    fn read(
        &self,
        path: &[u8],
        offset: u64,
        length: Option<u64>,
        buffer: impl FnOnce(usize) -> Vec<u8>,
    ) -> Result<Bytes, KernelError> {
        let handle = self.open(
            path,
            OpenOptions {
                read: true,
                ..OpenOptions::default()
            },
        )?;
        let attr = handle.getattr()?;
        let wanted = length.unwrap_or(attr.size.saturating_sub(offset));
        let most = self.options.limits.max_pread_bytes;
        if wanted > most {
            let path = "limits.resources.maxPreadBytes";
            return Err(LimitExceeded::new(path, "bytes", wanted, most, "readFile", Errno::EFBIG).into());
        }
        // Generated files have no size before they are read, so the size is where reading starts, not where it ends.
        let expected = usize::try_from(wanted.min(attr.size)).unwrap_or(usize::MAX);
        if let Some(content) = whole(&handle, offset, expected)? {
            return Ok(content);
        }
        let mut content = buffer(expected);
        content.resize(expected, 0);
        let mut filled = 0;
        while filled < expected {
            match handle.read_at(offset + filled as u64, &mut content[filled..])? {
                // The end was seen. Whoever keeps the file may have had to work for that, and is not asked again.
                0 => {
                    content.truncate(filled);
                    return Ok(content.into());
                }
                n => filled += n,
            }
        }
        // What follows a known size is most likely nothing.
        let mut chunk = vec![0; if expected == 0 { 64 << 10 } else { 1 << 10 }];
        loop {
            let left = length.unwrap_or(most) - content.len() as u64;
            if left == 0 {
                return Ok(content.into());
            }
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
            let n = handle.read_at(offset + content.len() as u64, &mut chunk[..room])?;
            if n == 0 {
                return Ok(content.into());
            }
            content.extend_from_slice(&chunk[..n]);
        }
    }

    /// Opens a regular file as the VM's user.
    pub(super) fn open(&self, path: &[u8], options: OpenOptions) -> Result<InodeHandle, KernelError> {
        use agentos_kernel::vfs::FileType;
        match self.as_user(|cx| self.kernel.vfs().open(cx, None, path, options))? {
            Opened::Inode(handle) if handle.kind() == FileType::Directory => Err(Errno::EISDIR.into()),
            Opened::Inode(handle) => Ok(handle),
            // A pipe or a device has no content that a file API could return or replace.
            _ => Err(Errno::EINVAL.into()),
        }
    }
}
