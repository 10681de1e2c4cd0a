//! `/dev`: a fixed set of devices and links, and the terminals that exist.

use super::{plain_attr, refuse_names};
use crate::clock::{Clock, Timestamp};
use crate::errno::Errno;
use crate::error::Result;
use crate::id::Ino;
use crate::process::Kernel;
use crate::tty::Pty;
use crate::vfs::{Attr, DirEntry, Features, FileType, Filesystem, NewNode, RenameFlags, SetAttr, StatFs};
use core::ops::ControlFlow;
use std::sync::{Arc, Weak};

/// The devices of a VM.
pub(super) struct DevFs {
    kernel: Weak<Kernel>,
    clock: Arc<dyn Clock>,
    mounted: Timestamp,
}

/// What a fixed name stands for.
enum Item {
    Device(u64, u32),
    Link(&'static str),
    Dir(u32),
}

const ROOT: Ino = Ino(1);
/// First inode number of the fixed names.
const FIRST: u64 = 2;
/// Inode numbers of terminals begin here.
const PTS: u64 = 1 << 32;

const fn device(major: u64, minor: u64, mode: u32) -> Item {
    Item::Device((major << 8) | minor, mode)
}

const ITEMS: &[(&str, Item)] = &[
    ("console", device(5, 1, 0o600)),
    ("fd", Item::Link("/proc/self/fd")),
    ("full", device(1, 7, 0o666)),
    ("null", device(1, 3, 0o666)),
    ("ptmx", device(5, 2, 0o666)),
    ("pts", Item::Dir(0o755)),
    ("random", device(1, 8, 0o666)),
    ("shm", Item::Dir(0o1777)),
    ("stderr", Item::Link("/proc/self/fd/2")),
    ("stdin", Item::Link("/proc/self/fd/0")),
    ("stdout", Item::Link("/proc/self/fd/1")),
    ("tty", device(5, 0, 0o666)),
    ("urandom", device(1, 9, 0o666)),
    ("zero", device(1, 5, 0o666)),
];

impl DevFs {
    pub(super) fn new(kernel: Weak<Kernel>, clock: Arc<dyn Clock>) -> Self {
        Self {
            kernel,
            mounted: clock.now(),
            clock,
        }
    }

    fn item(ino: Ino) -> Option<&'static (&'static str, Item)> {
        ITEMS.get(usize::try_from(ino.0.checked_sub(FIRST)?).ok()?)
    }

    fn is_pts(ino: Ino) -> bool {
        Self::item(ino).is_some_and(|(name, _)| *name == "pts")
    }

    fn pty(&self, number: u32) -> Result<Arc<Pty>> {
        let kernel = self.kernel.upgrade().ok_or(Errno::ENOENT)?;
        let pty = kernel.ptys_if_any().and_then(|ptys| ptys.get(number).ok());
        pty.ok_or_else(|| Errno::ENOENT.into())
    }

    fn pty_numbers(&self) -> Vec<u32> {
        let kernel = self.kernel.upgrade();
        kernel
            .and_then(|kernel| Some(kernel.ptys_if_any()?.numbers()))
            .unwrap_or_default()
    }

    fn pty_attr(&self, number: u32) -> Result<Attr> {
        Ok(Attr {
            ino: Ino(PTS + u64::from(number)),
            ..self.pty(number)?.attr()
        })
    }
}

impl Filesystem for DevFs {
    fn kind(&self) -> &'static str {
        "devtmpfs"
    }

    fn features(&self) -> Features {
        Features {
            volatile: true,
            own_atime: true,
            no_set_id: true,
            ..Features::default()
        }
    }

    fn root(&self) -> Ino {
        ROOT
    }

    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        if Self::is_pts(dir) {
            if name == b"ptmx" {
                let at = ITEMS.iter().position(|(item, _)| *item == "ptmx");
                return self.getattr(Ino(FIRST + at.unwrap_or_default() as u64));
            }
            return self.pty_attr(pty_number(name).ok_or(Errno::ENOENT)?);
        }
        if dir != ROOT {
            let directory = matches!(Self::item(dir), Some((_, Item::Dir(_))));
            return Err(if directory { Errno::ENOENT } else { Errno::ENOTDIR }.into());
        }
        let at = ITEMS
            .iter()
            .position(|(item, _)| item.as_bytes() == name)
            .ok_or(Errno::ENOENT)?;
        self.getattr(Ino(FIRST + at as u64))
    }

    fn parent(&self, _: Ino) -> Result<Ino> {
        Ok(ROOT)
    }

    fn getattr(&self, ino: Ino) -> Result<Attr> {
        if ino == ROOT {
            return Ok(plain_attr(ino, FileType::Directory, 0o755, self.mounted));
        }
        if ino.0 >= PTS {
            return self.pty_attr(u32::try_from(ino.0 - PTS).map_err(|_| Errno::ESTALE)?);
        }
        Ok(match &Self::item(ino).ok_or(Errno::ESTALE)?.1 {
            Item::Device(rdev, mode) => Attr {
                rdev: *rdev,
                ..plain_attr(ino, FileType::CharDevice, *mode, self.mounted)
            },
            Item::Link(target) => Attr {
                size: target.len() as u64,
                ..plain_attr(ino, FileType::Symlink, 0o777, self.mounted)
            },
            Item::Dir(mode) => plain_attr(ino, FileType::Directory, *mode, self.mounted),
        })
    }

    fn setattr(&self, ino: Ino, set: &SetAttr) -> Result<Attr> {
        // Programs touch devices and open them with O_TRUNC; changing what they are is not offered.
        if set.mode.is_some() || set.uid.is_some() || set.gid.is_some() {
            return Err(Errno::EPERM.into());
        }
        self.getattr(ino)
    }

    fn readlink(&self, ino: Ino) -> Result<Vec<u8>> {
        match Self::item(ino) {
            Some((_, Item::Link(target))) => Ok(target.as_bytes().to_vec()),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    fn readdir(&self, dir: Ino, position: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        if Self::is_pts(dir) {
            let later = self
                .pty_numbers()
                .into_iter()
                .filter(|number| u64::from(*number) >= position);
            for number in later {
                let name = number.to_string();
                let ino = Ino(PTS + u64::from(number));
                let next = u64::from(number) + 1;
                let entry = DirEntry {
                    name: name.as_bytes(),
                    ino,
                    kind: FileType::CharDevice,
                    next,
                };
                if emit(entry).is_break() {
                    break;
                }
            }
            return Ok(());
        }
        if dir != ROOT {
            return Ok(());
        }
        let from = usize::try_from(position).unwrap_or(usize::MAX);
        for (at, (name, item)) in ITEMS.iter().enumerate().skip(from) {
            let kind = match item {
                Item::Device(..) => FileType::CharDevice,
                Item::Link(_) => FileType::Symlink,
                Item::Dir(_) => FileType::Directory,
            };
            let entry = DirEntry {
                name: name.as_bytes(),
                ino: Ino(FIRST + at as u64),
                kind,
                next: at as u64 + 1,
            };
            if emit(entry).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn read(&self, _: Ino, _: u64, _: &mut [u8]) -> Result<usize> {
        Err(Errno::EINVAL.into())
    }

    fn write(&self, _: Ino, _: u64, _: &[u8]) -> Result<usize> {
        Err(Errno::EINVAL.into())
    }

    fn append(&self, _: Ino, _: &[u8]) -> Result<(usize, u64)> {
        Err(Errno::EINVAL.into())
    }

    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs {
            magic: 0x0102_1994,
            block_size: 4096,
            name_max: 255,
            ..StatFs::default()
        })
    }

    refuse_names!();
}

/// The terminal that a name in `/dev/pts` means: a decimal number as listings show it, so that each has one name.
fn pty_number(name: &[u8]) -> Option<u32> {
    let text = core::str::from_utf8(name).ok()?;
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pseudo::{Device, MemoryDevice};

    #[test]
    fn every_device_is_one_that_can_be_opened() {
        for (name, item) in ITEMS {
            if let Item::Device(rdev, _) = item {
                assert!(Device::from_number(FileType::CharDevice, *rdev).is_some(), "{name}");
            }
        }
        assert!(ITEMS.is_sorted_by_key(|(name, _)| *name));
        let null = Device::from_number(FileType::CharDevice, MemoryDevice::Null.number());
        assert_eq!(null, Some(Device::Memory(MemoryDevice::Null)));
        assert_eq!(
            Device::from_number(FileType::BlockDevice, MemoryDevice::Null.number()),
            None
        );
    }

    #[test]
    fn a_terminal_has_one_name() {
        assert_eq!((pty_number(b"0"), pty_number(b"17")), (Some(0), Some(17)));
        for other in [&b""[..], b"+3", b"03", b"-1", b"3 ", b"\xff", b"4294967296"] {
            assert_eq!(pty_number(other), None, "{other:?}");
        }
    }
}
