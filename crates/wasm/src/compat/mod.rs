//! The imports of command packages of another system: `host_process`, `host_user`, `host_fs`, `host_tty` and `host_net`.
//!
//! Packages of npm with the layout `commandDir`, and `.aospkg` files, hold programs of WASI preview 1 that ask for a little more:
//! children, pipes, modes of files, accounts, whether a descriptor is a terminal. Each function here is that of the kernel in
//! another shape, under the same policy and limits; nothing is granted that `agentos_v1` does not grant. Numbers of errors are
//! those of preview 1.
//!
//! ```text
//!   first    path_mode(path, len, follow)         a status is that of wait(2); the root is preopened at descriptor 3
//!   later    path_mode(dir, path, len, follow)    calls with `_v2`, `_v3`; the root is where no descriptor is
//! ```
//!
//! Some calls of the later generations have the names of the first and other parameters, so that a program is bound to the ones
//! or the others ([`Generation`]).
//!
//! What is not here (other calls of `host_net`, still later generations of a call) is not defined, so that a program that asks
//! for it is refused before it runs, with the name of what it asks for.

mod files;
mod net;
mod process;
mod spawn;
mod tty;
mod user;

use crate::imports::imports;
use crate::process::State;
use agentos_kernel::tty::Termios;
use agentos_kernel::vfs::Mode;
use wasmtime::{ExternType, Linker, Module};

/// Which parameters a program expects of the calls that kept their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    /// Paths alone; also of programs that import none of the calls.
    First,
    /// A directory before each path.
    Later,
}

impl Generation {
    /// That of a program, by what it imports.
    pub(crate) fn of(module: &Module) -> Self {
        let is_later = module.imports().any(|import| {
            let parameters = match import.ty() {
                ExternType::Func(ty) => ty.params().len(),
                _ => 0,
            };
            match (import.module(), import.name()) {
                ("host_fs", "path_mode" | "chmod") => parameters == 4,
                ("host_fs", "set_open_mode" | "path_size" | "fd_size") => true,
                ("host_process", "proc_spawn_v3" | "proc_waitpid_v2") => true,
                ("host_tty" | "host_net", _) => true,
                _ => false,
            }
        });
        if is_later { Self::Later } else { Self::First }
    }
}

/// What is kept for a process between calls.
#[derive(Debug, Default)]
pub(crate) struct Foreign {
    /// Permissions of what it makes next.
    pub(crate) open_mode: Option<Mode>,
    /// What its terminal was before it was made raw.
    cooked: Option<Termios>,
}

/// Defines every import of the modules, as programs of this generation know them.
pub(crate) fn define(linker: &mut Linker<State>, generation: Generation) -> wasmtime::Result<()> {
    processes(linker)?;
    later_processes(linker)?;
    users(linker)?;
    attributes(linker)?;
    terminals(linker)?;
    match generation {
        Generation::First => first_modes(linker),
        Generation::Later => later_modes(linker),
    }
}

fn processes(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, "host_process";
        wait proc_spawn(
            argv: u32, argv_len: u32, env: u32, env_len: u32, stdin: i32, stdout: i32, stderr: i32, cwd: u32, cwd_len: u32,
            pid: u32,
        ) = process::spawn;
        wait proc_waitpid(pid: i32, options: u32, status: u32) = process::waitpid;
        wait proc_kill(pid: i32, signal: u32) = crate::abi::kill;
        now proc_getpid(out: u32) = process::getpid;
        now proc_getppid(out: u32) = process::getppid;
        now fd_pipe(read: u32, write: u32) = process::pipe;
        now fd_dup(fd: u32, out: u32) = process::dup;
        now fd_dup_min(fd: u32, min: u32, out: u32) = process::dup_min;
        wait fd_dup2(fd: u32, to: u32) = process::dup2;
        wait sleep_ms(ms: u32) = process::sleep;
    }
    Ok(())
}

fn later_processes(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, "host_process";
        wait proc_spawn_v3(
            path: u32, path_len: u32, argv: u32, argv_len: u32, env: u32, env_len: u32, actions: u32, actions_len: u32,
            cwd: u32, cwd_len: u32, flags: u32, default_low: u32, default_high: u32, mask_low: u32, mask_high: u32,
            group: i32, pid: u32,
        ) = spawn::spawn;
        own proc_exec(
            path: u32, path_len: u32, argv: u32, argv_len: u32, env: u32, env_len: u32, closed: u32, closed_len: u32,
        ) = spawn::exec;
        wait proc_waitpid_v2(pid: i32, options: u32, code: u32, signal: u32, child: u32, dumped: u32) = process::waitpid_v2;
        wait proc_signal_mask_v2(how: u32, low: u32, high: u32, old_low: u32, old_high: u32) = process::signal_mask;
        now fd_setfd(fd: u32, flags: u32) = process::set_flags;
        now umask(mask: u32, set: u32, old: u32) = process::umask;
    }
    Ok(())
}

fn users(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, "host_user";
        now getuid(out: u32) = user::real_user;
        now geteuid(out: u32) = user::effective_user;
        now getgid(out: u32) = user::real_group;
        now getegid(out: u32) = user::effective_group;
        now getgroups(cap: u32, buf: u32, count: u32) = user::supplementary;
        now setuid(uid: u32) = user::become_user;
        now setgid(gid: u32) = user::become_group;
        now setgroups(count: u32, buf: u32) = user::set_supplementary;
        now isatty(fd: u32, out: u32) = user::isatty;
        wait getpwuid(uid: u32, buf: u32, cap: u32, len: u32) = user::user;
        wait getpwnam(name: u32, name_len: u32, buf: u32, cap: u32, len: u32) = user::user_named;
        wait getpwent(at: u32, buf: u32, cap: u32, len: u32) = user::nth_user;
        wait getgrgid(gid: u32, buf: u32, cap: u32, len: u32) = user::group;
        wait getgrnam(name: u32, name_len: u32, buf: u32, cap: u32, len: u32) = user::group_named;
        wait getgrent(at: u32, buf: u32, cap: u32, len: u32) = user::nth_group;
    }
    Ok(())
}

fn attributes(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, "host_fs";
        own fd_mode(fd: u32) = files::fd_mode;
        own fd_size(fd: u32) = files::fd_size;
        own path_size(dir: u32, path: u32, len: u32, follow: u32) = files::path_size;
        own path_rdev(dir: u32, path: u32, len: u32, follow: u32) = files::path_rdev;
        wait path_owner(dir: u32, path: u32, len: u32, follow: u32, uid: u32, gid: u32) = files::owner_at;
        wait path_chown(dir: u32, path: u32, len: u32, uid: u32, gid: u32, follow: u32) = files::chown_at;
        wait path_statfs(
            dir: u32, path: u32, len: u32, total: u32, used: u32, free: u32, inodes: u32, inodes_free: u32,
        ) = files::statfs_at;
        wait fchmod(fd: u32, mode: u32) = files::fchmod;
        wait ftruncate(fd: u32, size: u64) = files::ftruncate;
        now set_open_mode(mode: u32) = files::set_open_mode;
        now remount(path: u32, len: u32, options: u32, options_len: u32) = files::remount;
    }
    Ok(())
}

fn first_modes(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, "host_fs";
        own path_mode(path: u32, len: u32, follow: u32) = files::path_mode;
        wait chmod(path: u32, len: u32, mode: u32) = files::chmod;
    }
    Ok(())
}

fn later_modes(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, "host_fs";
        own path_mode(dir: u32, path: u32, len: u32, follow: u32) = files::path_mode_at;
        wait chmod(dir: u32, path: u32, len: u32, mode: u32) = files::chmod_at;
    }
    Ok(())
}

fn terminals(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, "host_tty";
        wait read(buf: u32, len: u32, timeout_ms: i32) = tty::read;
        wait set_raw_mode(raw: u32) = tty::set_raw;
    }
    imports! { linker, "host_net";
        wait net_send(fd: u32, buf: u32, len: u32, flags: u32, sent: u32) = net::send;
        wait net_recv(fd: u32, buf: u32, len: u32, flags: u32, got: u32) = net::recv;
    }
    Ok(())
}
