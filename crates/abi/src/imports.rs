//! Import declarations for guests. Out-pointers come last, in the order of the results.

use crate::fd::{PollEntry, RecordLock};
use crate::fs::{Stat, Statfs};
use crate::net::IoVec;
use crate::process::{Credentials, Ids, Limit, SpawnReq, Times, WaitResult};
use crate::signal::Siginfo;
use crate::tty::{Termios, Winsize};

#[link(wasm_import_module = "agentos_v1")]
unsafe extern "C" {
    // Processes.
    pub fn proc_spawn(req: *const SpawnReq, pid: *mut u32) -> u32;
    pub fn proc_exec(req: *const SpawnReq) -> u32;
    /// A second instance of the caller's module on a copy of its memory calls `agentos_clone_entry(arg)` and exits with
    /// its result. Descriptors, working directory, umask, mask and dispositions are copied as by `fork(2)`. With
    /// `flags` bit 0 the child becomes the leader of group `pgroup` (0) or joins it; bit 1 makes that group foreground.
    pub fn proc_clone(flags: u32, pgroup: i32, arg: u32, pid: *mut u32) -> u32;
    pub fn proc_wait(which: i32, options: u32, out: *mut WaitResult) -> u32;
    pub fn proc_ids(out: *mut Ids) -> u32;
    pub fn proc_setpgid(pid: u32, pgid: u32) -> u32;
    pub fn proc_setsid(sid: *mut u32) -> u32;
    pub fn proc_getpgid(pid: u32, out: *mut u32) -> u32;
    pub fn proc_getsid(pid: u32, out: *mut u32) -> u32;
    /// `set` 0 only reports.
    pub fn proc_umask(set: u32, mask: u32, old: *mut u32) -> u32;
    pub fn proc_chdir(dirfd: i32, path: *const u8, len: u32) -> u32;
    pub fn proc_getcwd(buf: *mut u8, cap: u32, len: *mut u32) -> u32;
    pub fn proc_times(out: *mut Times) -> u32;
    pub fn proc_limit_get(resource: u32, out: *mut Limit) -> u32;
    pub fn proc_limit_set(resource: u32, limit: *const Limit) -> u32;
    /// Nice value of `pid` (0 = caller); `set` 0 only reports. Results are `nice + 20`.
    pub fn proc_nice(pid: u32, set: u32, nice: i32, out: *mut u32) -> u32;
    pub fn sys_uname(field: u32, buf: *mut u8, cap: u32, len: *mut u32) -> u32;
    pub fn sys_sethostname(name: *const u8, len: u32) -> u32;
    /// CPUs that the VM may use.
    pub fn sys_cpus(out: *mut u32) -> u32;

    /// Why the last call of this process that a policy or the network guard refused (`EACCES`) was refused, as text of at most
    /// 1 KiB; empty if none was.
    pub fn proc_last_denial(buf: *mut u8, cap: u32, len: *mut u32) -> u32;

    // Descriptors.
    pub fn fd_dup(fd: u32, min: u32, flags: u32, out: *mut u32) -> u32;
    pub fn fd_dup_to(fd: u32, to: u32, flags: u32) -> u32;
    pub fn fd_pipe(flags: u32, read: *mut u32, write: *mut u32) -> u32;
    pub fn fd_available(fd: u32, bytes: *mut u64) -> u32;
    pub fn fd_flags_get(fd: u32, flags: *mut u32) -> u32;
    pub fn fd_flags_set(fd: u32, flags: u32) -> u32;
    pub fn fd_status_get(fd: u32, flags: *mut u32) -> u32;
    pub fn fd_status_set(fd: u32, flags: u32) -> u32;
    pub fn fd_flock(fd: u32, op: u32) -> u32;
    pub fn fd_record_lock(fd: u32, cmd: u32, lock: *mut RecordLock) -> u32;
    /// Offsets are in-out; a null offset uses and moves the descriptor's own.
    pub fn fd_copy_range(input: u32, in_off: *mut u64, output: u32, out_off: *mut u64, len: u64, n: *mut u64) -> u32;
    /// `timeout_ns` < 0 waits for ever. A non-null `sigmask` replaces the mask while waiting.
    pub fn fd_poll(entries: *mut PollEntry, n: u32, timeout_ns: i64, sigmask: *const u64, ready: *mut u32) -> u32;

    // Filesystem.
    pub fn path_open_mode(
        dirfd: i32,
        path: *const u8,
        len: u32,
        oflags: u32,
        fdflags: u32,
        mode: u32,
        fd: *mut u32,
    ) -> u32;
    pub fn path_mkdir(dirfd: i32, path: *const u8, len: u32, mode: u32) -> u32;
    pub fn path_stat(dirfd: i32, flags: u32, path: *const u8, len: u32, out: *mut Stat) -> u32;
    pub fn path_statfs(dirfd: i32, flags: u32, path: *const u8, len: u32, out: *mut Statfs) -> u32;
    pub fn path_chmod(dirfd: i32, flags: u32, path: *const u8, len: u32, mode: u32) -> u32;
    /// An id of `u32::MAX` stays as it is.
    pub fn path_chown(dirfd: i32, flags: u32, path: *const u8, len: u32, uid: u32, gid: u32) -> u32;
    pub fn path_access(dirfd: i32, flags: u32, path: *const u8, len: u32, amode: u32) -> u32;
    pub fn path_mknod(dirfd: i32, path: *const u8, len: u32, mode: u32, rdev: u64) -> u32;
    pub fn path_rename2(
        odir: i32,
        opath: *const u8,
        olen: u32,
        ndir: i32,
        npath: *const u8,
        nlen: u32,
        flags: u32,
    ) -> u32;
    /// Canonical absolute path, without symbolic links.
    pub fn path_resolve(
        dirfd: i32,
        flags: u32,
        path: *const u8,
        len: u32,
        buf: *mut u8,
        cap: u32,
        out: *mut u32,
    ) -> u32;
    /// Times in ns, or `fs::TIME_OMIT`, `fs::TIME_NOW`.
    pub fn path_set_times(dirfd: i32, flags: u32, path: *const u8, len: u32, atim: i64, mtim: i64) -> u32;
    pub fn path_xattr_get(
        dirfd: i32,
        flags: u32,
        path: *const u8,
        len: u32,
        name: *const u8,
        nlen: u32,
        buf: *mut u8,
        cap: u32,
        out: *mut u32,
    ) -> u32;
    pub fn path_xattr_set(
        dirfd: i32,
        flags: u32,
        path: *const u8,
        len: u32,
        name: *const u8,
        nlen: u32,
        buf: *const u8,
        cap: u32,
    ) -> u32;
    pub fn path_xattr_list(
        dirfd: i32,
        flags: u32,
        path: *const u8,
        len: u32,
        buf: *mut u8,
        cap: u32,
        out: *mut u32,
    ) -> u32;
    pub fn path_xattr_remove(dirfd: i32, flags: u32, path: *const u8, len: u32, name: *const u8, nlen: u32) -> u32;
    pub fn fs_sync() -> u32;

    // Identities.
    pub fn id_get(out: *mut Credentials) -> u32;
    pub fn id_groups(buf: *mut u32, cap: u32, n: *mut u32) -> u32;
    /// `u32::MAX` leaves an id as it is.
    pub fn id_set_uid(r: u32, e: u32, s: u32) -> u32;
    pub fn id_set_gid(r: u32, e: u32, s: u32) -> u32;
    pub fn id_set_groups(buf: *const u32, n: u32) -> u32;

    // Terminals.
    pub fn tty_get(fd: u32, out: *mut Termios) -> u32;
    pub fn tty_set(fd: u32, when: u32, t: *const Termios) -> u32;
    pub fn tty_size_get(fd: u32, out: *mut Winsize) -> u32;
    pub fn tty_size_set(fd: u32, size: *const Winsize) -> u32;
    pub fn tty_pgrp_get(fd: u32, out: *mut u32) -> u32;
    pub fn tty_pgrp_set(fd: u32, pgid: u32) -> u32;
    pub fn tty_set_controlling(fd: u32) -> u32;
    pub fn tty_open(flags: u32, master: *mut u32, slave: *mut u32) -> u32;
    pub fn tty_name(fd: u32, buf: *mut u8, cap: u32, len: *mut u32) -> u32;

    // Network.
    pub fn sock_open(domain: u32, kind: u32, protocol: u32, fd: *mut u32) -> u32;
    pub fn sock_pair(domain: u32, kind: u32, a: *mut u32, b: *mut u32) -> u32;
    pub fn sock_bind(fd: u32, addr: *const u8, len: u32) -> u32;
    pub fn sock_listen(fd: u32, backlog: u32) -> u32;
    pub fn sock_connect(fd: u32, addr: *const u8, len: u32) -> u32;
    pub fn sock_accept_from(fd: u32, flags: u32, addr: *mut u8, cap: u32, out: *mut u32, len: *mut u32) -> u32;
    /// `peer` 0 is the local name.
    pub fn sock_name(fd: u32, peer: u32, addr: *mut u8, cap: u32, len: *mut u32) -> u32;
    pub fn sock_recv_from(
        fd: u32,
        buf: *mut u8,
        cap: u32,
        flags: u32,
        addr: *mut u8,
        acap: u32,
        n: *mut u32,
        rflags: *mut u32,
        alen: *mut u32,
    ) -> u32;
    /// A zero `alen` sends to the connected peer.
    pub fn sock_send_to(fd: u32, buf: *const u8, len: u32, flags: u32, addr: *const u8, alen: u32, n: *mut u32) -> u32;
    /// [`sock_recv_from`] into several buffers: `count` pairs of address and length (`iovec` of preview 1).
    pub fn sock_recv_msg(
        fd: u32,
        iovs: *const IoVec,
        count: u32,
        flags: u32,
        addr: *mut u8,
        acap: u32,
        n: *mut u32,
        rflags: *mut u32,
        alen: *mut u32,
    ) -> u32;
    /// [`sock_send_to`] from several buffers, as one message.
    pub fn sock_send_msg(
        fd: u32,
        iovs: *const IoVec,
        count: u32,
        flags: u32,
        addr: *const u8,
        alen: u32,
        n: *mut u32,
    ) -> u32;
    /// Addresses, each as `u16` length then the address bytes; `n` counts bytes, not addresses. `flags` is 0.
    ///
    /// The errors and what `getaddrinfo(3)` says for them: `ENOENT` (no such name, or no address of the family) and `EINVAL` (no
    /// name at all) `EAI_NONAME`, `EAGAIN` `EAI_AGAIN`, `EACCES` `EAI_FAIL` (the reason is [`proc_last_denial`]'s).
    pub fn sock_resolve(name: *const u8, len: u32, family: u32, flags: u32, buf: *mut u8, cap: u32, n: *mut u32)
    -> u32;
    pub fn sock_opt_get(fd: u32, level: u32, name: u32, buf: *mut u8, cap: u32, len: *mut u32) -> u32;
    pub fn sock_opt_set(fd: u32, level: u32, name: u32, buf: *const u8, len: u32) -> u32;

    // Signals.
    pub fn sig_kill(pid: i32, sig: u32) -> u32;
    pub fn sig_mask(how: u32, set: u64, old: *mut u64) -> u32;
    pub fn sig_pending(set: *mut u64) -> u32;
    /// `EAGAIN` when none of `set` is pending.
    pub fn sig_take(set: u64, out: *mut Siginfo) -> u32;
    pub fn sig_disposition(sig: u32, disposition: u32, old: *mut u32) -> u32;
    /// `timeout_ns` < 0 waits for ever; `EAGAIN` when it passed.
    pub fn sig_wait(set: u64, timeout_ns: i64, out: *mut Siginfo) -> u32;
    /// `ITIMER_REAL` in ns.
    pub fn timer_real(first: u64, every: u64, old: *mut u64) -> u32;
}
