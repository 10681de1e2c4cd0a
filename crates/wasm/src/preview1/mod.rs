//! The imports of WASI preview 1, all of them.
//!
//! A program that imports `agentos_v1` too has the root directory preopened at a number that no descriptor has, and may pass
//! `AT_FDCWD` and absolute paths. A pure preview-1 program finds the root at descriptor 3; what it asks for there is looked for
//! below the working directory too ([`paths`]). One of another system's later generations finds the same root at a number that no
//! descriptor has, and may pass absolute paths, too.

mod args;
mod clock;
mod descriptor;
mod directory;
mod fault;
mod io;
mod paths;
mod poll;
mod preopen;
mod socket;
mod system;
mod types;

pub(crate) use fault::Fault;
pub(crate) use paths::place;
pub(crate) use preopen::preopen;

use crate::imports::imports;
use crate::process::State;
use wasmtime::Linker;

/// Name of the import module.
const MODULE: &str = "wasi_snapshot_preview1";

/// Defines every import of the module.
pub(crate) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    process(linker)?;
    descriptors(linker)?;
    files(linker)?;
    sockets(linker)
}

fn process(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, MODULE;
        now args_get(argv: u32, buf: u32) = args::args_get;
        now args_sizes_get(count: u32, size: u32) = args::args_sizes_get;
        now environ_get(environ: u32, buf: u32) = args::environ_get;
        now environ_sizes_get(count: u32, size: u32) = args::environ_sizes_get;
        now clock_res_get(id: u32, out: u32) = clock::res_get;
        now clock_time_get(id: u32, precision: u64, out: u32) = clock::time_get;
        wait poll_oneoff(subscriptions: u32, events: u32, count: u32, out: u32) = poll::oneoff;
        wait proc_raise(signal: u32) = system::raise;
        wait sched_yield() = system::sched_yield;
        wait random_get(buf: u32, len: u32) = system::random_get;
    }
    linker.func_wrap(MODULE, "proc_exit", system::exit)?;
    Ok(())
}

fn descriptors(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, MODULE;
        now fd_advise(fd: u32, offset: u64, len: u64, advice: u32) = descriptor::advise;
        wait fd_allocate(fd: u32, offset: u64, len: u64) = descriptor::allocate;
        wait fd_close(fd: u32) = descriptor::close;
        wait fd_datasync(fd: u32) = descriptor::datasync;
        wait fd_fdstat_get(fd: u32, out: u32) = descriptor::fdstat_get;
        now fd_fdstat_set_flags(fd: u32, flags: u32) = descriptor::fdstat_set_flags;
        wait fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64) = descriptor::fdstat_set_rights;
        wait fd_filestat_get(fd: u32, out: u32) = descriptor::filestat_get;
        wait fd_filestat_set_size(fd: u32, size: u64) = descriptor::filestat_set_size;
        wait fd_filestat_set_times(fd: u32, atim: u64, mtim: u64, flags: u32) = descriptor::filestat_set_times;
        wait fd_pread(fd: u32, iovs: u32, count: u32, offset: u64, out: u32) = io::pread;
        now fd_prestat_get(fd: u32, out: u32) = preopen::prestat_get;
        now fd_prestat_dir_name(fd: u32, path: u32, len: u32) = preopen::prestat_dir_name;
        wait fd_pwrite(fd: u32, iovs: u32, count: u32, offset: u64, out: u32) = io::pwrite;
        wait fd_read(fd: u32, iovs: u32, count: u32, out: u32) = io::read;
        wait fd_readdir(fd: u32, buf: u32, len: u32, cookie: u64, out: u32) = directory::readdir;
        wait fd_renumber(from: u32, to: u32) = descriptor::renumber;
        wait fd_seek(fd: u32, offset: i64, whence: u32, out: u32) = io::seek;
        wait fd_sync(fd: u32) = descriptor::sync;
        wait fd_tell(fd: u32, out: u32) = io::tell;
        wait fd_write(fd: u32, iovs: u32, count: u32, out: u32) = io::write;
    }
    Ok(())
}

fn files(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, MODULE;
        wait path_create_directory(fd: u32, path: u32, len: u32) = paths::create_directory;
        wait path_filestat_get(fd: u32, flags: u32, path: u32, len: u32, out: u32) = paths::filestat_get;
        wait path_filestat_set_times(
            fd: u32, flags: u32, path: u32, len: u32, atim: u64, mtim: u64, fst_flags: u32,
        ) = paths::filestat_set_times;
        wait path_link(
            old_fd: u32, flags: u32, old_path: u32, old_len: u32, new_fd: u32, new_path: u32, new_len: u32,
        ) = paths::link;
        wait path_open(
            fd: u32, dirflags: u32, path: u32, len: u32, oflags: u32, base: u64, inheriting: u64, fdflags: u32, out: u32,
        ) = paths::open;
        wait path_readlink(fd: u32, path: u32, len: u32, buf: u32, cap: u32, out: u32) = paths::readlink;
        wait path_remove_directory(fd: u32, path: u32, len: u32) = paths::remove_directory;
        wait path_rename(
            old_fd: u32, old_path: u32, old_len: u32, new_fd: u32, new_path: u32, new_len: u32,
        ) = paths::rename;
        wait path_symlink(target: u32, target_len: u32, fd: u32, path: u32, len: u32) = paths::symlink;
        wait path_unlink_file(fd: u32, path: u32, len: u32) = paths::unlink_file;
    }
    Ok(())
}

fn sockets(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports! { linker, MODULE;
        wait sock_accept(fd: u32, flags: u32, out: u32) = socket::accept;
        wait sock_recv(fd: u32, iovs: u32, count: u32, flags: u32, out: u32, out_flags: u32) = socket::recv;
        wait sock_send(fd: u32, iovs: u32, count: u32, flags: u32, out: u32) = socket::send;
        now sock_shutdown(fd: u32, how: u32) = socket::shutdown;
    }
    Ok(())
}
