//! The imports of `agentos_v1`, declared for guests in `crates/abi/src/imports.rs`.
//!
//! Every function here checks what the guest passed, calls one method of the kernel, and writes the results. Places for results
//! are checked before a call has an effect that could not be undone.

mod address;
mod descriptor;
mod filesystem;
mod identity;
mod network;
mod options;
mod poll;
mod process;
mod request;
mod signal;
mod system;
mod terminal;
mod xattr;

pub(crate) use descriptor::status_bits;
pub(crate) use filesystem::{STATUS_KNOWN, status_flags};
pub(crate) use identity::{set_gid, set_groups, set_uid};
pub(crate) use process::become_program;
pub(crate) use request::strings;
pub(crate) use signal::kill;

use crate::imports::imports;
use crate::process::State;
use agentos_abi::MODULE;
use wasmtime::Linker;

/// Defines every import of the module.
pub(crate) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    processes(linker)?;
    descriptors(linker)?;
    paths(linker)?;
    attributes(linker)?;
    identities(linker)?;
    terminals(linker)?;
    sockets(linker)?;
    signals(linker)
}

fn processes(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, MODULE;
        wait proc_spawn(request: u32, pid: u32) = process::spawn;
        own proc_exec(request: u32) = process::exec;
        own proc_clone(flags: u32, pgroup: i32, arg: u32, pid: u32) = process::clone;
        wait proc_wait(which: i32, options: u32, out: u32) = process::wait;
        now proc_ids(out: u32) = process::ids;
        now proc_setpgid(pid: u32, pgid: u32) = process::setpgid;
        now proc_setsid(sid: u32) = process::setsid;
        now proc_getpgid(pid: u32, out: u32) = process::getpgid;
        now proc_getsid(pid: u32, out: u32) = process::getsid;
        now proc_umask(set: u32, mask: u32, old: u32) = process::umask;
        now proc_last_denial(buf: u32, cap: u32, len: u32) = process::last_denial;
        wait proc_chdir(dirfd: i32, path: u32, len: u32) = process::chdir;
        wait proc_getcwd(buf: u32, cap: u32, len: u32) = process::getcwd;
        now proc_times(out: u32) = system::times;
        now proc_limit_get(resource: u32, out: u32) = system::limit_get;
        now proc_limit_set(resource: u32, limit: u32) = system::limit_set;
        now proc_nice(pid: u32, set: u32, nice: i32, out: u32) = system::nice;
        now sys_uname(field: u32, buf: u32, cap: u32, len: u32) = system::uname;
        now sys_sethostname(name: u32, len: u32) = system::sethostname;
        now sys_cpus(out: u32) = system::cpus;
    }
    Ok(())
}

fn descriptors(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, MODULE;
        now fd_dup(fd: u32, min: u32, flags: u32, out: u32) = descriptor::dup;
        wait fd_dup_to(fd: u32, to: u32, flags: u32) = descriptor::dup_to;
        now fd_pipe(flags: u32, read: u32, write: u32) = descriptor::pipe;
        wait fd_available(fd: u32, bytes: u32) = descriptor::available;
        now fd_flags_get(fd: u32, flags: u32) = descriptor::flags_get;
        now fd_flags_set(fd: u32, flags: u32) = descriptor::flags_set;
        now fd_status_get(fd: u32, flags: u32) = descriptor::status_get;
        now fd_status_set(fd: u32, flags: u32) = descriptor::status_set;
        wait fd_flock(fd: u32, op: u32) = descriptor::flock;
        wait fd_record_lock(fd: u32, cmd: u32, lock: u32) = descriptor::record_lock;
        wait fd_copy_range(input: u32, in_off: u32, output: u32, out_off: u32, len: u64, n: u32) = descriptor::copy_range;
        wait fd_poll(entries: u32, n: u32, timeout: i64, mask: u32, ready: u32) = poll::poll;
    }
    Ok(())
}

fn paths(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, MODULE;
        wait path_open_mode(dirfd: i32, path: u32, len: u32, oflags: u32, fdflags: u32, mode: u32, fd: u32) = filesystem::open;
        wait path_mkdir(dirfd: i32, path: u32, len: u32, mode: u32) = filesystem::mkdir;
        wait path_mknod(dirfd: i32, path: u32, len: u32, mode: u32, rdev: u64) = filesystem::mknod;
        wait path_rename2(odir: i32, opath: u32, olen: u32, ndir: i32, npath: u32, nlen: u32, flags: u32) = filesystem::rename;
        wait path_resolve(dirfd: i32, flags: u32, path: u32, len: u32, buf: u32, cap: u32, out: u32) = filesystem::resolve;
        wait fs_sync() = filesystem::sync;
    }
    Ok(())
}

fn attributes(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, MODULE;
        wait path_stat(dirfd: i32, flags: u32, path: u32, len: u32, out: u32) = filesystem::stat;
        wait path_statfs(dirfd: i32, flags: u32, path: u32, len: u32, out: u32) = filesystem::statfs;
        wait path_chmod(dirfd: i32, flags: u32, path: u32, len: u32, mode: u32) = filesystem::chmod;
        wait path_chown(dirfd: i32, flags: u32, path: u32, len: u32, uid: u32, gid: u32) = filesystem::chown;
        wait path_access(dirfd: i32, flags: u32, path: u32, len: u32, amode: u32) = filesystem::access;
        wait path_set_times(dirfd: i32, flags: u32, path: u32, len: u32, atim: i64, mtim: i64) = filesystem::set_times;
        wait path_xattr_get(
            dirfd: i32, flags: u32, path: u32, len: u32, name: u32, nlen: u32, buf: u32, cap: u32, out: u32,
        ) = xattr::get;
        wait path_xattr_set(
            dirfd: i32, flags: u32, path: u32, len: u32, name: u32, nlen: u32, buf: u32, size: u32,
        ) = xattr::set;
        wait path_xattr_list(dirfd: i32, flags: u32, path: u32, len: u32, buf: u32, cap: u32, out: u32) = xattr::list;
        wait path_xattr_remove(dirfd: i32, flags: u32, path: u32, len: u32, name: u32, nlen: u32) = xattr::remove;
    }
    Ok(())
}

fn identities(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, MODULE;
        now id_get(out: u32) = identity::get;
        now id_groups(buf: u32, cap: u32, n: u32) = identity::groups;
        now id_set_uid(r: u32, e: u32, s: u32) = identity::set_uid;
        now id_set_gid(r: u32, e: u32, s: u32) = identity::set_gid;
        now id_set_groups(buf: u32, n: u32) = identity::set_groups;
    }
    Ok(())
}

fn terminals(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, MODULE;
        now tty_get(fd: u32, out: u32) = terminal::get;
        wait tty_set(fd: u32, when: u32, termios: u32) = terminal::set;
        now tty_size_get(fd: u32, out: u32) = terminal::size_get;
        now tty_size_set(fd: u32, size: u32) = terminal::size_set;
        now tty_pgrp_get(fd: u32, out: u32) = terminal::pgrp_get;
        wait tty_pgrp_set(fd: u32, pgid: u32) = terminal::pgrp_set;
        now tty_set_controlling(fd: u32) = terminal::set_controlling;
        now tty_open(flags: u32, master: u32, slave: u32) = terminal::open;
        now tty_name(fd: u32, buf: u32, cap: u32, len: u32) = terminal::name;
    }
    Ok(())
}

fn sockets(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, MODULE;
        now sock_open(domain: u32, kind: u32, protocol: u32, fd: u32) = network::open;
        now sock_pair(domain: u32, kind: u32, a: u32, b: u32) = network::pair;
        wait sock_bind(fd: u32, addr: u32, len: u32) = network::bind;
        now sock_listen(fd: u32, backlog: u32) = network::listen;
        wait sock_connect(fd: u32, addr: u32, len: u32) = network::connect;
        wait sock_accept_from(fd: u32, flags: u32, addr: u32, cap: u32, out: u32, len: u32) = network::accept_from;
        now sock_name(fd: u32, peer: u32, addr: u32, cap: u32, len: u32) = network::name;
        wait sock_recv_from(
            fd: u32, buf: u32, cap: u32, flags: u32, addr: u32, acap: u32, n: u32, rflags: u32, alen: u32,
        ) = network::recv_from;
        wait sock_send_to(fd: u32, buf: u32, len: u32, flags: u32, addr: u32, alen: u32, n: u32) = network::send_to;
        wait sock_recv_msg(fd: u32, iovs: u32, count: u32, flags: u32, addr: u32, acap: u32, n: u32, rflags: u32, alen: u32) = network::recv_msg;
        wait sock_send_msg(fd: u32, iovs: u32, count: u32, flags: u32, addr: u32, alen: u32, n: u32) = network::send_msg;
        wait sock_resolve(name: u32, len: u32, family: u32, flags: u32, buf: u32, cap: u32, n: u32) = network::resolve;
        now sock_opt_get(fd: u32, level: u32, name: u32, buf: u32, cap: u32, len: u32) = options::get;
        now sock_opt_set(fd: u32, level: u32, name: u32, buf: u32, len: u32) = options::set;
    }
    Ok(())
}

fn signals(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, MODULE;
        wait sig_kill(pid: i32, sig: u32) = signal::kill;
        now sig_mask(how: u32, set: u64, old: u32) = signal::mask;
        now sig_pending(set: u32) = signal::pending;
        now sig_take(set: u64, out: u32) = signal::take;
        now sig_disposition(sig: u32, disposition: u32, old: u32) = signal::disposition;
        wait sig_wait(set: u64, timeout: i64, out: u32) = signal::wait;
        now timer_real(first: u64, every: u64, old: u32) = signal::timer;
    }
    Ok(())
}
