//! Memory files that guests make (`memfd_create`): no file of the VM, but memory, whether it is mapped or not.
//!
//! The description that made such a file stays here, and the guest gets another one. So the host can be asked how much the file
//! holds, and whether anybody still has it.

use crate::calls::Fail;
use crate::sys;
use agentos_kernel::vfs::Holders;
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};

/// Memory files of a VM (`memfd_create`), each of which takes a descriptor of the host process; then `ENFILE`.
const FILES_MAX: usize = 1024;

/// The memory files of a VM.
#[derive(Default)]
pub(crate) struct Memories {
    /// With who made it.
    files: Vec<(u32, OwnedFd)>,
}

impl Memories {
    /// Keeps a file that was just made for a guest, and returns the guest's own description of it. There are at most `most`.
    pub(crate) fn keep(&mut self, guest: u32, made: OwnedFd, most: u64) -> Result<OwnedFd, Fail> {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(FILES_MAX);
        if self.files.len() >= most {
            self.forget_unused();
        }
        if self.files.len() >= most {
            return Err(Fail(libc::ENFILE));
        }
        let file = sys::reopen(made.as_fd(), libc::O_RDWR)?;
        self.files.push((guest, made));
        Ok(file)
    }

    /// Bytes that the files of each guest hold, in memory or not.
    pub(super) fn measure(&mut self) -> HashMap<u32, u64> {
        self.forget_unused();
        let mut held = HashMap::new();
        for (guest, file) in &self.files {
            let Ok(stat) = sys::stat_fd(file.as_fd(), c"") else {
                continue;
            };
            let bytes = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
            let sum = held.entry(*guest).or_insert(0u64);
            *sum = sum.saturating_add(bytes);
        }
        held
    }

    fn forget_unused(&mut self) {
        self.files
            .retain(|(_, file)| sys::holders(file.as_fd()) != Holders::None);
    }
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
        let first = memories.keep(1, make(), 2).unwrap();
        let second = memories.keep(2, make(), 2).unwrap();
        File::from(first.try_clone().unwrap()).write_all(&[1; 8192]).unwrap();
        assert_eq!(memories.keep(1, make(), 2).unwrap_err(), Fail(libc::ENFILE));
        assert_eq!(memories.measure(), HashMap::from([(1, 8192), (2, 0)]));
        drop(second);
        assert_eq!(memories.measure(), HashMap::from([(1, 8192)]));
        drop(first);
        assert_eq!(memories.measure(), HashMap::new());
    }
}
