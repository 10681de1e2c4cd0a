//! The host's calls that no library wraps: notifications, Landlock, descriptors of processes, other processes' memory.
//!
//! Every function here is safe to call: it checks lengths, owns what it returns and reports the host's error number. The
//! `unsafe` of the crate is in this module, in [`spawner`](crate::spawner), which runs between `clone` and `execve`, and in
//! the loader.

mod group;
mod hold;
mod landlock;
mod memory;
mod notify;
mod process;
mod setxid;
mod shared;
mod socket;
mod status;
mod timer;
mod usage;
mod watch;

pub(crate) use group::{INTO_GROUP, exists, is_cgroup2, is_delegated, is_refusal, may_write, until_empty};
pub(crate) use hold::Hold;
pub(crate) use landlock::{confine_thread, version as landlock_version};
pub(crate) use memory::{Pages, read_memory, read_string, write_memory, write_private};
pub(crate) use notify::{
    ADDFD_FLAG_SEND, Answer, Listener, NEW_LISTENER, Notification, WAIT_KILLABLE_RECV, install_filter,
    install_filter_with, knock, wake_here,
};
pub(crate) use process::{
    Poller, Ready, Wait, clear_capabilities, duplicate, group_and_session, holders, is_there, is_thread_of, limit_of,
    limits_of, memfd, open_at, open_flags, parent_of_zombie, pid_fd, random, read_bytes, read_text, reap, relations,
    reopen, seal, send_signal, send_value, set_limit, signal_thread, stat_fd, status_of_other, take_fd, thread_id,
    wait_for,
};
pub(crate) use setxid::{Helpers, is_compared};
pub(crate) use shared::{Words, ticks};
pub(crate) use status::{has_ended, leave_signals_to_others, lock, may_trace, no_new_privileges, try_namespaces};
pub(crate) use timer::Timer;
pub(crate) use usage::{cpu_time, processors, use_processors};

pub(crate) use socket::{
    Found, drain_pipe, end_writing, pair, peer_pid, pipe, poll_now, receive, receive_with, ring, send, send_with,
    set_nonblocking, set_room, take_error, unread,
};
pub(crate) use watch::{host_events, host_watcher, record_pair, send_record, unwatch_host, watch_host};

use std::io;

/// The result of a call that returns -1 and sets `errno`.
pub(crate) fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}

/// The host's number of an error; `EIO` for one that has none.
pub(crate) fn errno_of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}
