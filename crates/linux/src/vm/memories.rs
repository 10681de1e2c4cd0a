//! Memory files that guests make (`memfd_create`): no file of the VM, but memory, whether it is mapped or not.
//!
//! The description that made such a file stays here, and the guest gets another one. So the host can be asked how much the file
//! holds, and whether anybody still has it.
//!
//! On the host none can be executed. In the VM one can, unless its maker said otherwise: its bytes are planned and mapped as those of
//! a program's file. That, and opening it once more, goes by its descriptor below `/proc`, whoever's that is.

use crate::calls::Fail;
use crate::pipe::host_error;
use crate::sys;
use agentos_kernel::fd::{AccessMode, File, IoResult, PollEvents};
use agentos_kernel::id::{Gid, Ino, Uid};
use agentos_kernel::vfs::{Attr, FileType, Holders, Location, Mode};
use agentos_kernel::{Errno, Result as Outcome};
use parking_lot::Mutex;
use std::any::Any;
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::task::{Poll, Waker};

/// Memory files of a VM (`memfd_create`), each of which takes a descriptor of the host process; then `ENFILE`.
const FILES_MAX: usize = 1024;

/// The memory files of a VM.
#[derive(Default)]
pub(crate) struct Memories {
    files: Vec<Memory>,
    index: Index,
}

/// A memory file.
struct Memory {
    /// Who made it.
    guest: u32,
    made: OwnedFd,
    identity: (u64, u64),
}

/// Which files of the host are memory files that guests have made, by device and inode, and whether they may be executed. An inode of one
/// that is listed is never another file's, as the description that made it is kept as long.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index(Arc<Mutex<HashMap<(u64, u64), bool>>>);

impl Index {
    /// Whether a file of the host may be executed; none if it is no memory file.
    pub(super) fn is_program(&self, identity: (u64, u64)) -> Option<bool> {
        self.0.lock().get(&identity).copied()
    }
}

impl Memories {
    /// Keeps a file that was just made for a guest, and returns the guest's own description of it. There are at most `most`.
    pub(crate) fn keep(&mut self, guest: u32, made: OwnedFd, is_program: bool, most: u64) -> Result<OwnedFd, Fail> {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(FILES_MAX);
        if self.files.len() >= most {
            self.forget_unused();
        }
        if self.files.len() >= most {
            return Err(Fail(libc::ENFILE));
        }
        let file = sys::reopen(made.as_fd(), libc::O_RDWR)?;
        let stat = sys::stat_fd(made.as_fd(), c"")?;
        let identity = (stat.st_dev, stat.st_ino);
        self.index.0.lock().insert(identity, is_program);
        self.files.push(Memory { guest, made, identity });
        Ok(file)
    }

    /// For whoever meets one of the files by a descriptor.
    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// Bytes that the files of each guest hold, in memory or not.
    pub(super) fn measure(&mut self) -> HashMap<u32, u64> {
        self.forget_unused();
        let mut held = HashMap::new();
        for Memory { guest, made, .. } in &self.files {
            let Ok(stat) = sys::stat_fd(made.as_fd(), c"") else {
                continue;
            };
            let bytes = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
            let sum = held.entry(*guest).or_insert(0u64);
            *sum = sum.saturating_add(bytes);
        }
        held
    }

    fn forget_unused(&mut self) {
        let mut index = self.index.0.lock();
        self.files.retain(|memory| {
            let is_used = sys::holders(memory.made.as_fd()) != Holders::None;
            if !is_used {
                index.remove(&memory.identity);
            }
            is_used
        });
    }
}

/// A memory file that was opened once more.
pub(crate) struct Reopened {
    file: std::fs::File,
    number: u64,
}

impl Reopened {
    /// By another description of it.
    pub(super) fn new(named: &OwnedFd, access: AccessMode, number: u64) -> Option<Self> {
        // As `O_PATH` means it, in a way that can be handed on.
        const NEITHER: i32 = libc::O_ACCMODE;
        let flags = match (access.contains(AccessMode::READ), access.contains(AccessMode::WRITE)) {
            (true, true) => libc::O_RDWR,
            (false, true) => libc::O_WRONLY,
            (true, false) => libc::O_RDONLY,
            (false, false) => NEITHER,
        };
        let file = sys::reopen(named.as_fd(), flags).ok()?.into();
        Some(Self { file, number })
    }

    /// For a guest.
    pub(crate) fn hand(&self) -> Result<OwnedFd, Fail> {
        Ok(sys::duplicate(self.file.as_fd())?)
    }
}

/// Attributes of a memory file of the host.
pub(super) fn attr_of(stat: &libc::stat, is_program: bool) -> Attr {
    Attr {
        ino: Ino(stat.st_ino),
        kind: FileType::Regular,
        mode: Mode::new(if is_program { 0o777 } else { 0o666 }),
        nlink: 0,
        uid: Uid::USER,
        gid: Gid::USER,
        rdev: 0,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        blocks: u64::try_from(stat.st_blocks).unwrap_or(0),
        atime: agentos_kernel::clock::Timestamp::default(),
        mtime: agentos_kernel::clock::Timestamp::default(),
        ctime: agentos_kernel::clock::Timestamp::default(),
        btime: agentos_kernel::clock::Timestamp::default(),
    }
}

/// The file behind a descriptor of a memory file, as what is executed.
pub(super) fn program_of(named: &OwnedFd) -> Outcome<Location> {
    let file = sys::reopen(named.as_fd(), libc::O_RDONLY).map_err(|_| Errno::EACCES)?;
    Location::of_unnamed(file)
}

impl File for Reopened {
    fn read(&self, buf: &mut [u8], _: Option<&Waker>) -> IoResult<usize> {
        Poll::Ready(std::io::Read::read(&mut &self.file, buf).map_err(|error| host_error(&error)))
    }

    fn write(&self, data: &[u8], _: Option<&Waker>) -> IoResult<usize> {
        Poll::Ready(std::io::Write::write(&mut &self.file, data).map_err(|error| host_error(&error)))
    }

    fn poll(&self, interest: PollEvents, _: Option<&Waker>) -> PollEvents {
        interest & (PollEvents::IN | PollEvents::OUT)
    }

    fn stat(&self) -> Outcome<Attr> {
        let stat = sys::stat_fd(self.file.as_fd(), c"").map_err(|error| host_error(&error))?;
        Ok(attr_of(&stat, false))
    }

    fn describe(&self) -> String {
        name_of(self.number)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What a link to a memory file says.
pub(super) fn name_of(number: u64) -> String {
    format!("/memfd:{number} (deleted)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write;

    #[test]
    fn a_file_counts_until_nobody_has_it() {
        let mut memories = Memories::default();
        let make = || sys::memfd(c"test", true).unwrap();
        let first = memories.keep(1, make(), true, 2).unwrap();
        let second = memories.keep(2, make(), false, 2).unwrap();
        File::from(first.try_clone().unwrap()).write_all(&[1; 8192]).unwrap();
        assert_eq!(memories.keep(1, make(), true, 2).unwrap_err(), Fail(libc::ENFILE));
        assert_eq!(memories.measure(), HashMap::from([(1, 8192), (2, 0)]));
        drop(second);
        assert_eq!(memories.measure(), HashMap::from([(1, 8192)]));
        let stat = sys::stat_fd(first.as_fd(), c"").unwrap();
        let is_program = |memories: &Memories| memories.index().is_program((stat.st_dev, stat.st_ino));
        assert_eq!(is_program(&memories), Some(true));
        // As long as it runs, whoever had it.
        let runs = program_of(&first).unwrap();
        drop(first);
        assert_eq!(memories.measure(), HashMap::from([(1, 8192)]));
        drop(runs);
        assert_eq!(memories.measure(), HashMap::new());
        assert_eq!(is_program(&memories), None);
    }
}
