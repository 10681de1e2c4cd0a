//! Structures of the host's interface, byte by byte.

use agentos_kernel::clock::Timestamp;
use agentos_kernel::vfs::{Stat, StatFs};

/// Writes numbers one after another.
#[derive(Default)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Bytes {
    pub(super) fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(super) fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(super) fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn time(self, time: Timestamp) -> Self {
        let (seconds, nanos) = split(time);
        self.u64(seconds.cast_unsigned()).u64(u64::from(nanos))
    }

    fn long_time(self, time: Timestamp) -> Self {
        let (seconds, nanos) = split(time);
        self.u64(seconds.cast_unsigned()).u32(nanos).u32(0)
    }

    fn fill(mut self, len: usize) -> Vec<u8> {
        self.0.resize(len, 0);
        self.0
    }
}

/// Seconds and nanoseconds.
fn split(time: Timestamp) -> (i64, u32) {
    const SECOND: i64 = 1_000_000_000;
    // Below a thousand million.
    (time.0.div_euclid(SECOND), time.0.rem_euclid(SECOND) as u32)
}

/// `struct stat`.
pub(super) fn stat(stat: &Stat) -> Vec<u8> {
    let attr = &stat.attr;
    Bytes::default()
        .u64(stat.dev.0)
        .u64(attr.ino.0)
        .u64(u64::from(attr.nlink))
        .u32(attr.kind.bits() | attr.mode.bits())
        .u32(attr.uid.0)
        .u32(attr.gid.0)
        .u32(0)
        .u64(attr.rdev)
        .u64(attr.size)
        .u64(4096)
        .u64(attr.blocks)
        .time(attr.atime)
        .time(attr.mtime)
        .time(attr.ctime)
        .fill(144)
}

/// `struct statx`, with the basic fields and the time of creation.
pub(super) fn statx(stat: &Stat) -> Vec<u8> {
    const BASIC_AND_BIRTH: u32 = 0xfff;
    let attr = &stat.attr;
    let (major, minor) = (
        |device: u64| (device >> 8 & 0xfff) as u32,
        |device: u64| (device & 0xff) as u32,
    );
    // Types and permissions take sixteen bits.
    let mode = (attr.kind.bits() | attr.mode.bits()) as u16;
    Bytes::default()
        .u32(BASIC_AND_BIRTH)
        .u32(4096)
        .u64(0)
        .u32(attr.nlink)
        .u32(attr.uid.0)
        .u32(attr.gid.0)
        .u16(mode)
        .u16(0)
        .u64(attr.ino.0)
        .u64(attr.size)
        .u64(attr.blocks)
        .u64(0)
        .long_time(attr.atime)
        .long_time(attr.btime)
        .long_time(attr.ctime)
        .long_time(attr.mtime)
        .u32(major(attr.rdev))
        .u32(minor(attr.rdev))
        .u32(major(stat.dev.0))
        .u32(minor(stat.dev.0))
        .fill(256)
}

/// `struct statfs`.
pub(super) fn statfs(stat: &StatFs) -> Vec<u8> {
    Bytes::default()
        .u64(stat.magic)
        .u64(stat.block_size)
        .u64(stat.blocks)
        .u64(stat.blocks_free)
        .u64(stat.blocks_free)
        .u64(stat.inodes)
        .u64(stat.inodes_free)
        .u64(0)
        .u64(stat.name_max)
        .u64(stat.block_size)
        .fill(120)
}
