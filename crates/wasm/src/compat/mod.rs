//! The imports of command packages of another system: `host_process`, `host_user` and `host_fs`.
//!
//! Packages with the layout `commandDir` on npm hold programs of WASI preview 1 that ask for a little more: children, pipes,
//! modes of files, whether a descriptor is a terminal. Each function here is that of the kernel in another shape, under the same
//! policy and limits; nothing is granted that `agentos_v1` does not grant. Numbers of errors are those of preview 1.
//!
//! What is not here (`host_net`, newer generations of a call) is not defined, so that a program that asks for it is refused
//! before it runs, with the name of what it asks for.

mod files;
mod process;
mod user;

use crate::imports::imports;
use crate::process::State;
use wasmtime::Linker;

/// Defines every import of the modules.
pub(crate) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    processes(linker)?;
    users(linker)?;
    modes(linker)
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

fn users(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, "host_user";
        now getuid(out: u32) = user::real_user;
        now geteuid(out: u32) = user::effective_user;
        now getgid(out: u32) = user::real_group;
        now getegid(out: u32) = user::effective_group;
        now isatty(fd: u32, out: u32) = user::isatty;
        wait getpwuid(uid: u32, buf: u32, cap: u32, len: u32) = user::account;
    }
    Ok(())
}

fn modes(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, "host_fs";
        own path_mode(path: u32, len: u32, follow: u32) = files::path_mode;
        own fd_mode(fd: u32) = files::fd_mode;
        wait chmod(path: u32, len: u32, mode: u32) = files::chmod;
    }
    Ok(())
}
