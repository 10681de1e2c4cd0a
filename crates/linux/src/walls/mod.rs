//! Control groups (cgroup v2) of the host: a further wall behind the limits of a VM.
//!
//! The kernel of a VM looks at its Linux programs from time to time and enforces its limits itself (`vm/meter.rs`). What happens between
//! two looks, and what no look sees (page tables, pipes, buffers of sockets), the host can bound for a whole VM at once, where
//! somebody lets this process have a group of its own to divide. That is what [`Cgroup`] is about.
//!
//! ```text
//!   NODE/                        given to this process; divides memory, pids, cpu
//!     agentos-host/              this process, if it was in NODE itself
//!     agentos-PID-RANDOM/        of one loader; its guardian ends everything below (`loader.rs`)
//!       vm-1/  vm-2/  ...        of one VM's thread: its guests, with its limits
//! ```
//!
//! The host divides a group's resources among its children only while no process is in the group itself. So a process that is in the
//! node has to go into a child of it first, which it does where it is alone there; whoever shares the node with others has to say
//! where else.
//!
//! Guests are in the group of their VM before any code of theirs runs, and can neither leave nor change it: no file of the host is within
//! their reach. Whoever is parked (`park/mod.rs`) is in the group of the thread that parked it.
//!
//! * `find.rs` decides where: no effects, over what it is shown of the host.
//! * `share.rs` makes the group of a loader and removes those of processes that are no more.
//! * `group.rs` is the group of a VM.

#[cfg(jail)]
mod find;
#[cfg(jail)]
mod group;
#[cfg(jail)]
mod share;

#[cfg(jail)]
pub(crate) use group::Group;
#[cfg(jail)]
pub(crate) use share::Walls;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where the control groups (cgroup v2) of VMs with Linux programs are made. They bound memory, threads and processor time of all Linux
/// programs of a VM together, behind the limits that the VM enforces itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cgroup {
    /// In the group of this process, if that was delegated to it and can be used as it is; else there are none.
    #[default]
    Auto,
    /// Nowhere.
    Off,
    /// In the group of this process. Where that does not work, Linux programs do not run.
    Own,
    /// In this group, a directory of a cgroup2 file system. Where that does not work, Linux programs do not run.
    Below(PathBuf),
}

impl Cgroup {
    /// Whether Linux programs are not to run without them.
    pub fn is_required(&self) -> bool {
        matches!(self, Self::Own | Self::Below(_))
    }
}

impl FromStr for Cgroup {
    type Err = CgroupError;

    /// `auto`, `off`, `own`, or the absolute path of a group.
    fn from_str(text: &str) -> Result<Self, CgroupError> {
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            "own" => Ok(Self::Own),
            _ if Path::new(text).is_absolute() && !text.contains('\0') => Ok(Self::Below(text.into())),
            _ => Err(CgroupError::Unknown(text.to_owned())),
        }
    }
}

impl fmt::Display for Cgroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Off => f.write_str("off"),
            Self::Own => f.write_str("own"),
            Self::Below(path) => path.display().fmt(f),
        }
    }
}

/// Why it cannot be said where control groups are made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CgroupError {
    /// It is no such place.
    #[error("must be auto, off, own or the absolute path of a cgroup, not {0:?}")]
    Unknown(String),
    /// Linux programs were probed or have run already.
    #[error("the cgroup has to be said before the first Linux program; it is {0} already")]
    TooLate(Cgroup),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_written_alike() {
        for text in ["auto", "off", "own", "/sys/fs/cgroup/agents"] {
            assert_eq!(text.parse::<Cgroup>().unwrap().to_string(), text);
        }
        assert_eq!("own".parse(), Ok(Cgroup::Own));
        for text in ["", "Own", "agents", "./agents", "/x\0y"] {
            assert_eq!(text.parse::<Cgroup>(), Err(CgroupError::Unknown(text.to_owned())));
        }
        let required = [Cgroup::Auto, Cgroup::Off, Cgroup::Own, Cgroup::Below("/x".into())];
        assert_eq!(required.map(|cgroup| cgroup.is_required()), [false, false, true, true]);
    }
}
