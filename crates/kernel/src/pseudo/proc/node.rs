//! Names in `/proc`, and inode numbers that say what an inode is.
//!
//! A number is `pid << 40 | descriptor << 8 | item`: which process (0 for the VM itself), which of its descriptors, and the row
//! of the table of names. Nothing is stored, and numbers of a process are not used again before its pid is.

use crate::id::{Fd, Ino, Pid};
use crate::vfs::FileType;

/// What an inode stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    /// The process, 0 for the VM.
    pub(super) pid: Pid,
    /// The descriptor, for [`Item::Fd`] and [`Item::FdInfo`]; the number of a thread but the first, for [`Item::Task`].
    pub(super) fd: Fd,
    /// The row.
    pub(super) item: Item,
}

macro_rules! items {
    ($($name:ident = $number:literal, $parent:ident, $text:literal, $kind:ident, $mode:literal;)*) => {
        /// Everything that has a name in `/proc`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Item { $($name = $number,)* }

        impl Item {
            const ALL: &[Self] = &[$(Self::$name,)*];

            /// The directory it is in.
            pub(super) const fn parent(self) -> Self {
                match self { $(Self::$name => Self::$parent,)* }
            }

            /// Its name; empty if that is a number.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            pub(super) const fn kind(self) -> FileType {
                match self { $(Self::$name => FileType::$kind,)* }
            }

            pub(super) const fn mode(self) -> u32 {
                match self { $(Self::$name => $mode,)* }
            }

            fn from_number(number: u64) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

items! {
    Root = 1, Root, "", Directory, 0o555;
    SelfLink = 2, Root, "self", Symlink, 0o777;
    ThreadSelf = 3, Root, "thread-self", Symlink, 0o777;
    CmdLine = 4, Root, "cmdline", Regular, 0o444;
    CpuInfo = 5, Root, "cpuinfo", Regular, 0o444;
    Filesystems = 6, Root, "filesystems", Regular, 0o444;
    LoadAvg = 7, Root, "loadavg", Regular, 0o444;
    MemInfo = 8, Root, "meminfo", Regular, 0o444;
    MountsLink = 9, Root, "mounts", Symlink, 0o777;
    Stat = 10, Root, "stat", Regular, 0o444;
    Swaps = 11, Root, "swaps", Regular, 0o444;
    Uptime = 12, Root, "uptime", Regular, 0o444;
    Version = 13, Root, "version", Regular, 0o444;
    VmStat = 14, Root, "vmstat", Regular, 0o444;
    Devices = 15, Root, "devices", Regular, 0o444;

    Sys = 32, Root, "sys", Directory, 0o555;
    SysFs = 33, Sys, "fs", Directory, 0o555;
    FileMax = 34, SysFs, "file-max", Regular, 0o444;
    FileNr = 35, SysFs, "file-nr", Regular, 0o444;
    NrOpen = 36, SysFs, "nr_open", Regular, 0o444;
    PipeMaxSize = 37, SysFs, "pipe-max-size", Regular, 0o444;
    SysKernel = 38, Sys, "kernel", Directory, 0o555;
    HostName = 39, SysKernel, "hostname", Regular, 0o644;
    DomainName = 40, SysKernel, "domainname", Regular, 0o444;
    NGroupsMax = 41, SysKernel, "ngroups_max", Regular, 0o444;
    OsRelease = 42, SysKernel, "osrelease", Regular, 0o444;
    OsType = 43, SysKernel, "ostype", Regular, 0o444;
    PidMax = 44, SysKernel, "pid_max", Regular, 0o444;
    SysVersion = 45, SysKernel, "version", Regular, 0o444;
    ThreadsMax = 46, SysKernel, "threads-max", Regular, 0o444;
    CapLastCap = 47, SysKernel, "cap_last_cap", Regular, 0o444;
    Random = 48, SysKernel, "random", Directory, 0o555;
    BootId = 49, Random, "boot_id", Regular, 0o444;
    Entropy = 50, Random, "entropy_avail", Regular, 0o444;
    PoolSize = 51, Random, "poolsize", Regular, 0o444;
    Uuid = 52, Random, "uuid", Regular, 0o444;
    SysVm = 53, Sys, "vm", Directory, 0o555;
    Overcommit = 54, SysVm, "overcommit_memory", Regular, 0o444;
    MaxMapCount = 55, SysVm, "max_map_count", Regular, 0o444;

    Process = 64, Root, "", Directory, 0o555;
    PCgroup = 65, Process, "cgroup", Regular, 0o444;
    PCmdLine = 66, Process, "cmdline", Regular, 0o444;
    PComm = 67, Process, "comm", Regular, 0o644;
    PCwd = 68, Process, "cwd", Symlink, 0o777;
    PEnviron = 69, Process, "environ", Regular, 0o400;
    PExe = 70, Process, "exe", Symlink, 0o777;
    FdDir = 71, Process, "fd", Directory, 0o500;
    FdInfoDir = 72, Process, "fdinfo", Directory, 0o500;
    PIo = 73, Process, "io", Regular, 0o400;
    PLimits = 74, Process, "limits", Regular, 0o444;
    PMaps = 75, Process, "maps", Regular, 0o444;
    PMountInfo = 76, Process, "mountinfo", Regular, 0o444;
    PMounts = 77, Process, "mounts", Regular, 0o444;
    POomScore = 78, Process, "oom_score", Regular, 0o444;
    POomScoreAdj = 79, Process, "oom_score_adj", Regular, 0o644;
    PRoot = 80, Process, "root", Symlink, 0o777;
    PStat = 81, Process, "stat", Regular, 0o444;
    PStatm = 82, Process, "statm", Regular, 0o444;
    PStatus = 83, Process, "status", Regular, 0o444;
    TaskDir = 84, Process, "task", Directory, 0o555;
    PWchan = 85, Process, "wchan", Regular, 0o444;
    Task = 86, TaskDir, "", Directory, 0o555;

    Fd = 128, FdDir, "", Symlink, 0o700;
    FdInfo = 129, FdInfoDir, "", Regular, 0o444;
}

impl Item {
    /// Rows with a fixed name in a directory. A task shows what its process shows, but no tasks.
    pub(super) fn children(self) -> impl Iterator<Item = Self> {
        let dir = if self == Self::Task { Self::Process } else { self };
        let fits = move |item: &Self| {
            let nested = self == Self::Task && *item == Self::TaskDir;
            item.parent() == dir && !item.name().is_empty() && !nested
        };
        Self::ALL.iter().copied().filter(fits)
    }
}

impl Node {
    pub(super) const ROOT: Self = Self {
        pid: Pid(0),
        fd: Fd(0),
        item: Item::Root,
    };

    /// A row of a process.
    pub(super) fn of(pid: Pid, item: Item) -> Self {
        Self { pid, fd: Fd(0), item }
    }

    pub(super) fn ino(self) -> Ino {
        Ino((u64::from(self.pid.0) << 40) | (u64::from(self.fd.0) << 8) | self.item as u64)
    }

    pub(super) fn from_ino(ino: Ino) -> Option<Self> {
        // Shifted and masked to 24, 32 and 8 bits.
        let pid = Pid((ino.0 >> 40) as u32);
        let fd = Fd((ino.0 >> 8) as u32);
        Some(Self {
            pid,
            fd,
            item: Item::from_number(ino.0 & 0xff)?,
        })
    }

    pub(super) fn parent(self) -> Self {
        let item = self.item.parent();
        let pid = if item == Item::Root { Pid(0) } else { self.pid };
        Self { pid, fd: Fd(0), item }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unambiguous() {
        for (at, item) in Item::ALL.iter().enumerate() {
            let node = Node {
                pid: Pid(4_194_304),
                fd: Fd(u32::MAX),
                item: *item,
            };
            assert_eq!(Node::from_ino(node.ino()), Some(node));
            let twin = |other: &Item| {
                other.parent() == item.parent() && other.name() == item.name() && !item.name().is_empty()
            };
            assert!(!Item::ALL[at + 1..].iter().any(twin), "{}", item.name());
        }
        assert_eq!(Node::from_ino(Ino(0)), None);
        assert!(Item::Task.children().all(|item| item != Item::TaskDir));
    }
}
