//! Character devices: their numbers, and those without a state of their own.

use crate::clock::{Entropy, Timestamp};
use crate::errno::Errno;
use crate::error::Result;
use crate::fd::{File, IoResult, PollEvents};
use crate::id::{Gid, Ino, Uid};
use crate::process::Kernel;
use crate::vfs::{Attr, FileType, Mode};
use core::any::Any;
use core::task::{Poll, Waker};
use std::sync::Arc;

/// What a device number stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// `/dev/null` and its kin.
    Memory(MemoryDevice),
    /// `/dev/tty`: the controlling terminal of whoever opens it.
    Terminal,
    /// `/dev/console`.
    Console,
    /// `/dev/ptmx`: each opening makes a new terminal.
    Multiplexer,
    /// `/dev/pts/<n>`.
    Pty(u32),
}

/// Devices that hold nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryDevice {
    /// Swallows everything, gives nothing.
    Null,
    /// Gives zeros.
    Zero,
    /// Gives zeros, and is always full.
    Full,
    /// Gives random bytes.
    Random,
    /// The same.
    Urandom,
}

impl Device {
    /// The device with this kind and number, in Linux's numbering.
    pub fn from_number(kind: FileType, rdev: u64) -> Option<Self> {
        if kind != FileType::CharDevice {
            return None;
        }
        Some(match (rdev >> 8, rdev & 0xff) {
            (1, 3) => Self::Memory(MemoryDevice::Null),
            (1, 5) => Self::Memory(MemoryDevice::Zero),
            (1, 7) => Self::Memory(MemoryDevice::Full),
            (1, 8) => Self::Memory(MemoryDevice::Random),
            (1, 9) => Self::Memory(MemoryDevice::Urandom),
            (5, 0) => Self::Terminal,
            (5, 1) => Self::Console,
            (5, 2) => Self::Multiplexer,
            _ => return pty_number(rdev).map(Self::Pty),
        })
    }
}

/// Linux's major number of the slaves of pseudo-terminals.
const PTS_MAJOR: u64 = 136;

fn pty_number(rdev: u64) -> Option<u32> {
    let major = (rdev >> 8) & 0xfff;
    let minor = (rdev & 0xff) | ((rdev >> 12) & 0xfff_ff00);
    (major == PTS_MAJOR).then(|| u32::try_from(minor).ok()).flatten()
}

impl MemoryDevice {
    /// Device number.
    pub(super) fn number(self) -> u64 {
        let minor = match self {
            Self::Null => 3,
            Self::Zero => 5,
            Self::Full => 7,
            Self::Random => 8,
            Self::Urandom => 9,
        };
        (1 << 8) | minor
    }

    /// An object to read and write.
    pub(crate) fn open(self, kernel: &Kernel) -> Arc<dyn File> {
        Arc::new(OpenDevice {
            device: self,
            entropy: Arc::clone(kernel.entropy()),
            opened: kernel.clock().now(),
        })
    }
}

struct OpenDevice {
    device: MemoryDevice,
    entropy: Arc<dyn Entropy>,
    opened: Timestamp,
}

impl File for OpenDevice {
    fn read(&self, buf: &mut [u8], _waker: Option<&Waker>) -> IoResult<usize> {
        match self.device {
            MemoryDevice::Null => return Poll::Ready(Ok(0)),
            MemoryDevice::Zero | MemoryDevice::Full => buf.fill(0),
            MemoryDevice::Random | MemoryDevice::Urandom => self.entropy.fill(buf),
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn write(&self, data: &[u8], _waker: Option<&Waker>) -> IoResult<usize> {
        match self.device {
            MemoryDevice::Full if !data.is_empty() => Poll::Ready(Err(Errno::ENOSPC.into())),
            _ => Poll::Ready(Ok(data.len())),
        }
    }

    fn poll(&self, interest: PollEvents, _waker: Option<&Waker>) -> PollEvents {
        interest & (PollEvents::IN | PollEvents::OUT)
    }

    fn stat(&self) -> Result<Attr> {
        Ok(Attr {
            ino: Ino(0),
            kind: FileType::CharDevice,
            mode: Mode::new(0o666),
            nlink: 1,
            uid: Uid::ROOT,
            gid: Gid::ROOT,
            rdev: self.device.number(),
            size: 0,
            blocks: 0,
            atime: self.opened,
            mtime: self.opened,
            ctime: self.opened,
            btime: self.opened,
        })
    }

    fn ignores_offsets(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        let name = match self.device {
            MemoryDevice::Null => "null",
            MemoryDevice::Zero => "zero",
            MemoryDevice::Full => "full",
            MemoryDevice::Random => "random",
            MemoryDevice::Urandom => "urandom",
        };
        format!("/dev/{name}")
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
