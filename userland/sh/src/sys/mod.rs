//! The operating system, as the shell needs it.
//!
//! `wasm` is the product: the guest ABI. `unix` lets the same shell be built and tried on a host, where its tests
//! compare it with the host's bash. Descriptors are bare numbers, as in the language. Every descriptor opened here is
//! close-on-exec; only redirections make one that programs inherit.

#[cfg(unix)]
mod unix;
#[cfg(target_family = "wasm")]
mod wasm;

#[cfg(unix)]
pub use unix::*;
#[cfg(target_family = "wasm")]
pub use wasm::*;

use std::io;
use std::time::Duration;

/// Lowest number of a descriptor that the shell keeps for itself.
pub const PRIVATE_FD: u32 = 200;

/// How a file is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct Open {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// Writes go to the end.
    pub append: bool,
    /// Made if need be.
    pub create: bool,
    /// Made empty.
    pub truncate: bool,
    /// It must not exist.
    pub exclusive: bool,
}

/// Metadata of a file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stat {
    /// Device.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
    /// Type and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Modification, ns.
    pub mtime: i64,
    /// Access, ns.
    pub atime: i64,
}

impl Stat {
    /// Type bits.
    pub fn kind(&self) -> u32 {
        self.mode & 0o170_000
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind() == 0o040_000
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.kind() == 0o100_000
    }

    /// Whether it is a named pipe.
    pub fn is_fifo(&self) -> bool {
        self.kind() == 0o010_000
    }
}

/// A new process's place among process groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Group {
    /// The group to join, 0 for a new one; `None` keeps the shell's.
    pub pgid: Option<u32>,
    /// Whether that group gets the terminal.
    pub foreground: bool,
}

/// A program to start.
#[derive(Debug)]
pub struct Program<'a> {
    /// The file.
    pub path: &'a str,
    /// Arguments from `argv[0]` on.
    pub argv: &'a [String],
    /// Environment.
    pub env: &'a [(&'a str, &'a str)],
    /// Descriptors: `(from, to)` in order; no `from` closes.
    pub fds: &'a [(Option<u32>, u32)],
    /// Process group.
    pub group: Group,
    /// Signals whose default action is restored.
    pub defaults: u64,
}

/// What became of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It exited with this status.
    Exited(u8),
    /// This signal killed it.
    Signaled(u8),
    /// This signal stopped it.
    Stopped(u8),
    /// It goes on.
    Continued,
}

impl State {
    /// As `$?`.
    pub fn status(self) -> i32 {
        match self {
            Self::Exited(code) => i32::from(code),
            Self::Signaled(signal) | Self::Stopped(signal) => 128 + i32::from(signal),
            Self::Continued => 0,
        }
    }
}

/// A child that changed.
#[derive(Debug, Clone, Copy)]
pub struct Waited {
    /// The child.
    pub pid: u32,
    /// What happened.
    pub state: State,
}

/// CPU times.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// Own user time.
    pub user: Duration,
    /// Own system time.
    pub sys: Duration,
    /// Children's user time.
    pub children_user: Duration,
    /// Children's system time.
    pub children_sys: Duration,
}

/// What ended a wait for input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// There is input, or its end.
    Input,
    /// The time passed.
    Timeout,
    /// A caught signal is pending.
    Signal,
}

/// Writes all of `bytes`.
pub fn write_all(fd: u32, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match write(fd, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n.min(bytes.len())..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads to the end.
pub fn read_to_end(fd: u32) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buf = [0; 8192];
    loop {
        match read(fd, &mut buf) {
            Ok(0) => return Ok(all),
            Ok(n) => all.extend_from_slice(&buf[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The text of an error without std's addition, as `strerror` gives it.
pub fn message(error: &io::Error) -> String {
    if let Some(text) = known(error) {
        return text.to_owned();
    }
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

fn known(error: &io::Error) -> Option<&'static str> {
    Some(match error.kind() {
        io::ErrorKind::NotFound => "No such file or directory",
        io::ErrorKind::PermissionDenied if !is_eperm(error) => "Permission denied",
        io::ErrorKind::IsADirectory => "Is a directory",
        io::ErrorKind::NotADirectory => "Not a directory",
        io::ErrorKind::AlreadyExists => "File exists",
        io::ErrorKind::BrokenPipe => "Broken pipe",
        io::ErrorKind::ReadOnlyFilesystem => "Read-only file system",
        io::ErrorKind::StorageFull => "No space left on device",
        io::ErrorKind::ArgumentListTooLong => "Argument list too long",
        _ => return None,
    })
}
