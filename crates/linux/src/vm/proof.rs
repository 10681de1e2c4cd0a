//! Whether the loader asks, or the program that it should have replaced.
//!
//! `execve` can fail on the host after the VM's kernel has decided that it succeeds: the host reads the arguments again, which a guest
//! may have changed meanwhile. What goes on then is the old program, which could ask the loader's questions itself, with new
//! names and open files for the old memory. It is ended instead.
//!
//! What a guest has in its memory and registers proves nothing. Of each memory the host keeps what it told the program in it when that began (the
//! auxiliary vector: where stack, program and kernel pages are, at random), which no guest can change, as the filter refuses
//! `PR_SET_MM`. If that is the same as before, nothing was executed.

use crate::sys;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::OnceLock;

/// What the host told the program that is in a memory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told(Vec<u8>);

impl Told {
    /// By the directory of a process in the host's `/proc`.
    pub(crate) fn of(process: BorrowedFd<'_>) -> io::Result<Self> {
        let told = sys::read_bytes(process, c"auxv")?;
        match told.is_empty() {
            true => Err(io::Error::from_raw_os_error(libc::ESRCH)),
            false => Ok(Self(told)),
        }
    }
}

/// Whether the host puts programs at random places. Where it does not, as under a debugger, two programs may be told the same.
pub(crate) fn tells_apart() -> bool {
    static RANDOM: OnceLock<bool> = OnceLock::new();
    const ASK: libc::c_ulong = 0xffff_ffff;
    *RANDOM.get_or_init(|| {
        // SAFETY: takes a number alone, and that one changes nothing.
        let own = unsafe { libc::personality(ASK) };
        let fixed = own & libc::ADDR_NO_RANDOMIZE != 0;
        let host = std::fs::read_to_string("/proc/sys/kernel/randomize_va_space");
        !fixed && host.map_or(true, |text| text.trim() != "0")
    })
}
