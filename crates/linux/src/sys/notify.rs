//! Notifications of system calls (`seccomp_unotify(2)`).

use super::check;
use crate::job::{ASK, ASK_KNOCK};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A system call that waits for an answer.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Notification {
    pub(crate) id: u64,
    pub(crate) tid: u32,
    flags: u32,
    pub(crate) number: i32,
    pub(crate) arch: u32,
    pub(crate) instruction: u64,
    pub(crate) args: [u64; 6],
}

#[repr(C)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

#[repr(C)]
struct AddFd {
    id: u64,
    flags: u32,
    source: u32,
    target: u32,
    target_flags: u32,
}

const RECV: libc::c_ulong = 0xC050_2100;
const SEND: libc::c_ulong = 0xC018_2101;
const ID_VALID: libc::c_ulong = 0x4008_2102;
const ADDFD: libc::c_ulong = 0x4018_2103;
const SET_FLAGS: libc::c_ulong = 0x4008_2104;
const CONTINUE: u32 = 1;
const ADDFD_FLAG_SETFD: u32 = 1;
/// Answers the call with the number of the new descriptor, in one step.
pub(crate) const ADDFD_FLAG_SEND: u32 = 2;

/// What a call is answered with.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A result.
    Value(i64),
    /// An error number.
    Errno(i32),
    /// The host does what the registers say. Only where nothing behind a pointer matters.
    Continue,
    /// A new descriptor of the caller, the lowest that is free.
    Descriptor(OwnedFd, bool),
    /// Nothing: it was or will be answered elsewhere.
    Later,
}

impl Answer {
    pub(crate) const OK: Self = Self::Value(0);
}

/// The end at which notifications arrive.
#[derive(Debug)]
pub(crate) struct Listener(OwnedFd);

impl Listener {
    /// Waits for the next call. `None` if its caller is gone already.
    pub(crate) fn receive(&self) -> io::Result<Option<Notification>> {
        // The host requires zeros.
        let mut notification = Notification::default();
        // SAFETY: the structure has the size that the request's number encodes.
        let done = check(unsafe { libc::ioctl(self.0.as_raw_fd(), RECV, &raw mut notification) }.into());
        match done {
            Ok(_) => Ok(Some(notification)),
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a call is there to be received.
    pub(crate) fn has_call(&self) -> bool {
        super::poll_now(self.0.as_fd(), libc::POLLIN) & libc::POLLIN != 0
    }

    /// Whether the caller still waits in the call, so that what was read from its memory is what it passed.
    pub(crate) fn is_valid(&self, id: u64) -> bool {
        self.request(ID_VALID, &id).is_ok()
    }

    /// Answers a call. A caller that is gone needs none.
    pub(crate) fn answer(&self, id: u64, answer: Answer) {
        let (value, error, flags) = match answer {
            Answer::Value(value) => (value, 0, 0),
            Answer::Errno(errno) => (0, -errno, 0),
            Answer::Continue => (0, 0, CONTINUE),
            Answer::Descriptor(fd, cloexec) => {
                // Two steps, although the host has one for both: where the host process is stopped within that (a key, a container that
                // is paused, a machine that sleeps), the descriptor is put off and the call answered all the same, with 0.
                let added = self.add(id, fd.as_fd(), None, cloexec, 0);
                let number = |fd: i32| Answer::Value(fd.into());
                self.answer(
                    id,
                    added.map_or_else(|error| Answer::Errno(super::errno_of(&error)), number),
                );
                return;
            }
            Answer::Later => return,
        };
        let response = Response {
            id,
            value,
            error,
            flags,
        };
        let _ = self.request(SEND, &response);
    }

    /// Makes a request that reads its argument, until no signal interrupts it: one that is given up would leave a guest waiting for
    /// ever. An interruption comes before anything is done, or has put a descriptor off, which then is not there.
    fn request<T>(&self, request: libc::c_ulong, argument: &T) -> io::Result<libc::c_long> {
        loop {
            // SAFETY: the argument has the size that the request's number encodes, and is only read.
            match check(unsafe { libc::ioctl(self.0.as_raw_fd(), request, std::ptr::from_ref(argument)) }.into()) {
                Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
                done => return done,
            }
        }
    }

    /// Puts a descriptor into the caller's table, at `target` or the lowest number that is free.
    pub(crate) fn add(
        &self,
        id: u64,
        fd: BorrowedFd<'_>,
        target: Option<u32>,
        cloexec: bool,
        flags: u32,
    ) -> io::Result<i32> {
        let add = AddFd {
            id,
            flags: flags | target.map_or(0, |_| ADDFD_FLAG_SETFD),
            source: fd.as_raw_fd().cast_unsigned(),
            target: target.unwrap_or(0),
            target_flags: if cloexec { libc::O_CLOEXEC.cast_unsigned() } else { 0 },
        };
        let added = self.request(ADDFD, &add)?;
        Ok(i32::try_from(added).unwrap_or(-1))
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Whether the supervisor and a caller wake each other on the processor that the other is on (Linux 6.6), or where the host likes.
pub(crate) fn wake_here(listener: &Listener, here: bool) -> io::Result<()> {
    // SAFETY: the request takes its argument by value.
    check(unsafe { libc::ioctl(listener.as_raw_fd(), SET_FLAGS, libc::c_ulong::from(here)) }.into()).map(drop)
}

/// Asks whoever answers the calling thread's calls to look around, and waits until that is done.
pub(crate) fn knock() -> io::Result<()> {
    // SAFETY: takes numbers alone: nobody but a supervisor makes anything of such a directory.
    check(unsafe { libc::syscall(libc::SYS_openat, ASK, ASK_KNOCK, 0, 0) }).map(drop)
}

/// The filter has calls answered by a supervisor.
pub(crate) const NEW_LISTENER: libc::c_ulong = 8;
/// Only a fatal signal interrupts a call once the supervisor has it.
pub(crate) const WAIT_KILLABLE_RECV: libc::c_ulong = 32;

/// Installs a filter on the calling thread, for ever, and returns where its notifications arrive.
pub(crate) fn install_filter(program: &[libc::sock_filter]) -> io::Result<Listener> {
    install_filter_with(program, NEW_LISTENER | WAIT_KILLABLE_RECV)
}

/// As [`install_filter`], with these flags, of which [`NEW_LISTENER`] is one.
pub(crate) fn install_filter_with(program: &[libc::sock_filter], flags: libc::c_ulong) -> io::Result<Listener> {
    let len = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?;
    let program = libc::sock_fprog {
        len,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the program outlives the call, which copies it.
    let fd = check(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    })?;
    // SAFETY: the call made this descriptor.
    Ok(Listener(unsafe {
        OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1))
    }))
}
