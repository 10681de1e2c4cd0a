//! Descriptors: flags, poll, locks.

use crate::record::record;

/// Close on exec, the only descriptor flag.
pub const FD_CLOEXEC: u32 = 1;
/// `fd_dup` flag and `fd_pipe` flag: the new descriptors are close-on-exec.
pub const DUP_CLOEXEC: u32 = 1;
/// `fd_pipe` flag: both ends are non-blocking.
pub const PIPE_NONBLOCK: u32 = 2;

/// Status flags of `fd_status_get` and `fd_status_set`: preview 1's `fdflags` bits.
pub const STATUS_APPEND: u32 = 1;
/// Synchronised data writes.
pub const STATUS_DSYNC: u32 = 2;
/// Non-blocking.
pub const STATUS_NONBLOCK: u32 = 4;
/// Synchronised reads.
pub const STATUS_RSYNC: u32 = 8;
/// Synchronised writes.
pub const STATUS_SYNC: u32 = 16;
/// Readable (reported only).
pub const STATUS_READ: u32 = 0x100;
/// Writable (reported only).
pub const STATUS_WRITE: u32 = 0x200;

record! {
    /// One entry of `fd_poll`.
    pub struct PollEntry {
        /// `POLL_KIND_*`.
        pub kind: u32,
        /// Descriptor; or child pid, -1 for any child; ignored for signals.
        pub id: i32,
        /// Wanted bits of `POLL*`. Of a child, [`POLLIN`] is its end and [`POLLPRI`] that it stopped or continued; signals
        /// report [`POLLIN`].
        pub events: u32,
        /// Ready bits, written by the kernel.
        pub revents: u32,
    }
}

/// The entry watches a descriptor.
pub const POLL_KIND_FD: u32 = 0;
/// The entry watches for a waitable child.
pub const POLL_KIND_CHILD: u32 = 1;
/// The entry watches for a pending caught signal.
pub const POLL_KIND_SIGNAL: u32 = 2;

/// Data to read.
pub const POLLIN: u32 = 0x001;
/// Urgent data.
pub const POLLPRI: u32 = 0x002;
/// Room to write.
pub const POLLOUT: u32 = 0x004;
/// Error (always reported).
pub const POLLERR: u32 = 0x008;
/// Hang-up (always reported).
pub const POLLHUP: u32 = 0x010;
/// Not an open descriptor (always reported).
pub const POLLNVAL: u32 = 0x020;

/// `fd_flock` operations, as in `flock(2)`.
pub const LOCK_SH: u32 = 1;
/// Exclusive.
pub const LOCK_EX: u32 = 2;
/// Do not wait (a flag).
pub const LOCK_NB: u32 = 4;
/// Unlock.
pub const LOCK_UN: u32 = 8;

record! {
    /// A record lock, as in `fcntl(2)`.
    pub struct RecordLock {
        /// `RLOCK_*`.
        pub kind: u32,
        /// 0 set, 1 current, 2 end.
        pub whence: u32,
        /// Start offset.
        pub start: i64,
        /// Length, 0 to the end of file.
        pub len: i64,
        /// Holder, filled in by [`RLOCK_GET`].
        pub pid: u32,
        /// Zero.
        pub reserved: u32,
    }
}

/// Read lock.
pub const RLOCK_READ: u32 = 0;
/// Write lock.
pub const RLOCK_WRITE: u32 = 1;
/// Unlock.
pub const RLOCK_UNLOCK: u32 = 2;

/// `fd_record_lock` command: report the first conflicting lock.
pub const RLOCK_GET: u32 = 5;
/// Set without waiting.
pub const RLOCK_SET: u32 = 6;
/// Set, waiting.
pub const RLOCK_SET_WAIT: u32 = 7;
