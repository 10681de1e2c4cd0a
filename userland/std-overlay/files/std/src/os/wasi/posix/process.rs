//! Groups, signals and exec: the counterpart of `std::os::unix::process`.

#![stable(feature = "rust1", since = "1.0.0")]

use crate::ffi::OsStr;
use crate::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use crate::process::{self, Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use crate::sys::process::{self as imp, ChildPipe};
use crate::sys::{AsInner, AsInnerMut, FromInner, IntoInner};
use crate::io;

/// What a command can be told beyond the portable builder.
#[stable(feature = "rust1", since = "1.0.0")]
pub trait CommandExt {
    /// Replaces this process by the program; returns only on failure.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn exec(&mut self) -> io::Error;
    /// Sets `argv[0]`, which is the program's name otherwise.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command;
    /// Puts the child into a process group; 0 makes it the leader of a new one.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn process_group(&mut self, pgroup: i32) -> &mut Command;
    /// Makes the child the leader of a new session.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn setsid(&mut self, setsid: bool) -> &mut Command;
}

#[stable(feature = "rust1", since = "1.0.0")]
impl CommandExt for Command {
    fn exec(&mut self) -> io::Error {
        self.as_inner_mut().exec(imp::Stdio::Inherit)
    }

    fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.as_inner_mut().set_arg_0(arg.as_ref());
        self
    }

    fn process_group(&mut self, pgroup: i32) -> &mut Command {
        self.as_inner_mut().pgroup(pgroup);
        self
    }

    fn setsid(&mut self, setsid: bool) -> &mut Command {
        self.as_inner_mut().setsid(setsid);
        self
    }
}

/// What a status of `wait(2)` says beyond the exit code.
#[stable(feature = "rust1", since = "1.0.0")]
pub trait ExitStatusExt {
    /// A status of its word, in Linux's encoding.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn from_raw(raw: i32) -> Self;
    /// The word.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn into_raw(self) -> i32;
    /// The signal that killed the process.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn signal(&self) -> Option<i32>;
    /// Whether a memory image was written.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn core_dumped(&self) -> bool;
    /// The signal that stopped the process.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn stopped_signal(&self) -> Option<i32>;
    /// Whether the process was continued.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn continued(&self) -> bool;
}

#[stable(feature = "rust1", since = "1.0.0")]
impl ExitStatusExt for ExitStatus {
    fn from_raw(raw: i32) -> ExitStatus {
        ExitStatus::from_inner(imp::ExitStatus::from_raw(raw))
    }

    fn into_raw(self) -> i32 {
        self.as_inner().into_raw()
    }

    fn signal(&self) -> Option<i32> {
        self.as_inner().signal()
    }

    fn core_dumped(&self) -> bool {
        self.as_inner().core_dumped()
    }

    fn stopped_signal(&self) -> Option<i32> {
        self.as_inner().stopped_signal()
    }

    fn continued(&self) -> bool {
        self.as_inner().continued()
    }
}

/// Signals to a child.
#[stable(feature = "rust1", since = "1.0.0")]
pub trait ChildExt {
    /// Sends `signal`; does nothing once the child was waited for.
    #[stable(feature = "rust1", since = "1.0.0")]
    fn send_signal(&self, signal: i32) -> io::Result<()>;
}

#[stable(feature = "rust1", since = "1.0.0")]
impl ChildExt for Child {
    fn send_signal(&self, signal: i32) -> io::Result<()> {
        self.handle.send_signal(signal)
    }
}

/// Number of the parent process.
#[stable(feature = "rust1", since = "1.0.0")]
pub fn parent_id() -> u32 {
    imp::getppid()
}

#[stable(feature = "process_extensions", since = "1.2.0")]
impl FromRawFd for Stdio {
    unsafe fn from_raw_fd(fd: RawFd) -> Stdio {
        // SAFETY: the caller's promise.
        Stdio::from_inner(unsafe { imp::Stdio::from_raw_fd(fd) })
    }
}

#[stable(feature = "io_safety", since = "1.63.0")]
impl From<OwnedFd> for Stdio {
    fn from(fd: OwnedFd) -> Stdio {
        Stdio::from_inner(imp::Stdio::from_inner(fd))
    }
}

macro_rules! child_pipe {
    ($($t:ident)*) => {$(
        #[stable(feature = "process_extensions", since = "1.2.0")]
        impl AsRawFd for $t {
            fn as_raw_fd(&self) -> RawFd {
                self.as_inner().as_raw_fd()
            }
        }

        #[stable(feature = "into_raw_os", since = "1.4.0")]
        impl IntoRawFd for process::$t {
            fn into_raw_fd(self) -> RawFd {
                self.into_inner().into_raw_fd()
            }
        }

        #[stable(feature = "io_safety", since = "1.63.0")]
        impl AsFd for $t {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.as_inner().as_fd()
            }
        }

        #[stable(feature = "io_safety", since = "1.63.0")]
        impl From<$t> for OwnedFd {
            fn from(pipe: $t) -> OwnedFd {
                pipe.into_inner().into_inner()
            }
        }

        #[stable(feature = "child_stream_from_fd", since = "1.74.0")]
        impl From<OwnedFd> for $t {
            fn from(fd: OwnedFd) -> $t {
                $t::from_inner(ChildPipe::from_inner(fd))
            }
        }
    )*};
}
child_pipe! { ChildStdin ChildStdout ChildStderr }
