//! The guest ABI.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::Duration;

use agentos_guest::process::{self, CloneGroup, Which};
use agentos_guest::raw::{errno, fd as rawfd, fs as rawfs, process as rawprocess};
use agentos_guest::signal::{self, Disposition, SigSet};
use agentos_guest::{fd as guest_fd, fs as guest_fs, id, tty};

use super::{Group, Open, Program, Ready, Stat, State, Times, Waited};
use crate::text::{from_os, to_os};

/// Nothing to prepare: a guest starts as the kernel made it.
pub fn start() {}

pub fn is_eperm(error: &io::Error) -> bool {
    agentos_guest::errno(error) == Some(errno::EPERM)
}

pub fn is_enoexec(error: &io::Error) -> bool {
    agentos_guest::errno(error) == Some(errno::ENOEXEC)
}

/// A file value over a descriptor that goes on belonging to nobody.
fn file(fd: u32) -> ManuallyDrop<File> {
    // SAFETY: the value is never dropped, so that nothing is closed; a number that is not open makes operations fail.
    ManuallyDrop::new(unsafe { File::from_raw_fd(fd as RawFd) })
}

fn borrowed<'a>(fd: u32) -> BorrowedFd<'a> {
    // SAFETY: used for one call only; a number that is not open makes it fail.
    unsafe { BorrowedFd::borrow_raw(fd as RawFd) }
}

pub fn read(fd: u32, buf: &mut [u8]) -> io::Result<usize> {
    (&*file(fd)).read(buf)
}

pub fn write(fd: u32, buf: &[u8]) -> io::Result<usize> {
    (&*file(fd)).write(buf)
}

/// Moves the offset back by `n`; `false` if the file has none.
pub fn seek_back(fd: u32, n: usize) -> bool {
    (&*file(fd)).seek(SeekFrom::Current(-(n as i64))).is_ok()
}

pub fn open(path: &str, how: Open, mode: u32) -> io::Result<u32> {
    let mut flags = rawfs::O_CLOEXEC;
    for (on, flag) in [
        (how.read, rawfs::O_READ),
        (how.write, rawfs::O_WRITE),
        (how.create, rawfs::O_CREAT),
        (how.truncate, rawfs::O_TRUNC),
        (how.exclusive, rawfs::O_EXCL),
    ] {
        flags |= if on { flag } else { 0 };
    }
    let status = if how.append { rawfd::STATUS_APPEND } else { 0 };
    let fd = guest_fs::open(Path::new(&to_os(path)), flags, status, mode)?;
    Ok(fd.into_raw_fd() as u32)
}

pub fn dup(fd: u32, min: u32, cloexec: bool) -> io::Result<u32> {
    guest_fd::dup_raw(fd, min, cloexec)
}

pub fn dup_to(fd: u32, to: u32) -> io::Result<()> {
    if fd == to {
        return set_cloexec(fd, false);
    }
    guest_fd::dup_to_raw(fd, to, false)
}

pub fn close(fd: u32) {
    // SAFETY: the shell's descriptors are bare numbers that no other Rust value owns; one that is not open is no harm.
    drop(unsafe { OwnedFd::from_raw_fd(fd as RawFd) });
}

pub fn set_cloexec(fd: u32, on: bool) -> io::Result<()> {
    guest_fd::set_cloexec(fd, on)
}

pub fn is_open(fd: u32) -> bool {
    guest_fd::is_open(fd)
}

pub fn pipe() -> io::Result<(u32, u32)> {
    let (read, write) = guest_fd::pipe(false)?;
    Ok((read.into_raw_fd() as u32, write.into_raw_fd() as u32))
}

fn convert(s: guest_fs::Stat) -> Stat {
    Stat {
        dev: s.dev,
        ino: s.ino,
        mode: s.mode,
        uid: s.uid,
        gid: s.gid,
        size: s.size,
        mtime: s.mtim,
        atime: s.atim,
    }
}

pub fn stat(path: &str, follow: bool) -> io::Result<Stat> {
    guest_fs::stat(guest_fs::Target::path(Path::new(&to_os(path)), follow)).map(convert)
}

pub fn fstat(fd: u32) -> io::Result<Stat> {
    guest_fs::stat(guest_fs::Target::Fd(borrowed(fd))).map(convert)
}

/// 4 read, 2 write, 1 execute.
pub fn access(path: &str, mode: u32) -> bool {
    guest_fs::access(guest_fs::Target::Follow(Path::new(&to_os(path))), mode, true).is_ok()
}

pub fn chdir(path: &str) -> io::Result<()> {
    process::chdir(&*to_os(path))
}

pub fn getcwd() -> io::Result<String> {
    process::current_dir().map(|p| from_os(p.into_os_string()))
}

pub fn umask(set: Option<u32>) -> u32 {
    match set {
        Some(mask) => process::set_umask(mask),
        None => process::umask(),
    }
}

pub fn pid() -> u32 {
    process::ids().pid
}

pub fn ppid() -> u32 {
    process::ids().ppid
}

pub fn pgrp() -> u32 {
    process::ids().pgid
}

pub fn set_pgrp(pid: u32, pgid: u32) -> io::Result<()> {
    process::setpgid(pid, pgid)
}

/// Real and effective user, real and effective group.
pub fn user_ids() -> [u32; 4] {
    let c = id::credentials();
    [c.ruid, c.euid, c.rgid, c.egid]
}

pub fn groups() -> Vec<u32> {
    id::groups().unwrap_or_default()
}

pub fn hostname() -> String {
    agentos_guest::sys::uname(agentos_guest::sys::Uname::Nodename)
        .map(from_os)
        .unwrap_or_default()
}

/// What a copy of the process is to run: an address in memory that it has a copy of.
struct Body(*mut (dyn FnMut() -> i32 + 'static));

thread_local! {
    static BODY: RefCell<Option<Body>> = const { RefCell::new(None) };
}

/// Starts a copy of the process that runs `body` and exits with its result.
pub fn clone(group: Group, body: &mut dyn FnMut() -> i32) -> io::Result<u32> {
    let group = match group.pgid {
        None => CloneGroup::Same,
        Some(pgid) => CloneGroup::Join {
            pgroup: pgid as i32,
            foreground: group.foreground,
        },
    };
    let body: *mut (dyn FnMut() -> i32 + '_) = body;
    // SAFETY: only the lifetime is changed. The pointer is used by the copy alone, whose memory is as it is during this
    // call, when the body is live and borrowed by nobody else.
    let body: *mut (dyn FnMut() -> i32 + 'static) = unsafe { std::mem::transmute(body) };
    BODY.with_borrow_mut(|slot| *slot = Some(Body(body)));
    let result = process::clone(group, 0);
    BODY.with_borrow_mut(|slot| *slot = None);
    result
}

/// Where a copy of the process begins.
// SAFETY: no other function has this name; the host calls it once on a fresh copy of this program's memory.
#[unsafe(no_mangle)]
pub extern "C" fn agentos_clone_entry(_arg: u32) -> u32 {
    let body = BODY.with_borrow_mut(Option::take);
    match body {
        // SAFETY: see `clone`.
        Some(Body(body)) => unsafe { (*body)() as u32 & 0xff },
        None => 125,
    }
}

fn prepare(program: &Program<'_>) -> process::Spawn {
    let mut spawn = process::Spawn::new(&*to_os(program.path));
    for arg in program.argv {
        spawn.arg(&*to_os(arg));
    }
    for (name, value) in program.env {
        spawn.env(&*to_os(name), &*to_os(value));
    }
    spawn.inherit_descriptors();
    for (from, to) in program.fds {
        match from {
            Some(from) => spawn.dup2(*from, *to),
            None => spawn.close(*to),
        };
    }
    if let Some(pgid) = program.group.pgid {
        spawn.process_group(pgid as i32);
        if program.group.foreground {
            spawn.foreground();
        }
    }
    if program.defaults != 0 {
        spawn.signal_default(SigSet(program.defaults));
    }
    spawn
}

pub fn spawn(program: &Program<'_>) -> io::Result<u32> {
    prepare(program).spawn()
}

pub fn exec(program: &Program<'_>) -> io::Error {
    prepare(program).exec()
}

/// Waits for a child, or any; `None` when `block` is off and none changed.
pub fn wait(pid: Option<u32>, block: bool) -> io::Result<Option<Waited>> {
    let options =
        rawprocess::WAIT_UNTRACED | rawprocess::WAIT_CONTINUED | if block { 0 } else { rawprocess::WAIT_NOHANG };
    let waited = process::wait(pid.map_or(Which::Any, Which::Pid), options)?;
    Ok(waited.map(|w| Waited {
        pid: w.pid,
        state: match w.state {
            process::State::Exited(code) => State::Exited(code),
            process::State::Signaled(signal) => State::Signaled(signal),
            process::State::Stopped(signal) => State::Stopped(signal),
            process::State::Continued => State::Continued,
        },
    }))
}

pub fn kill(pid: i32, signal: u32) -> io::Result<()> {
    signal::kill(pid, signal)
}

pub fn catch_signal(signal: u32) {
    // Signals that cannot be caught stay as they are, as in bash.
    let _ = signal::set_disposition(signal, Disposition::Catch);
}

pub fn ignore_signal(signal: u32) {
    let _ = signal::set_disposition(signal, Disposition::Ignore);
}

pub fn default_signal(signal: u32) {
    let _ = signal::set_disposition(signal, Disposition::Default);
}

/// Whether a signal is ignored now.
pub fn is_ignored(signal: u32) -> bool {
    signal::disposition(signal).is_ok_and(|d| d == Disposition::Ignore)
}

/// Takes a caught signal that is pending.
pub fn take_signal() -> Option<u32> {
    signal::take(SigSet::ALL).ok().flatten().map(|info| info.signo)
}

/// Waits for input; also ends when a caught signal arrives, if `signals` is set.
pub fn wait_input(fd: u32, timeout: Option<Duration>, signals: bool) -> io::Result<Ready> {
    use guest_fd::Source;
    let sources = [Source::Fd(fd, guest_fd::POLLIN), Source::Signal];
    let sources = if signals { &sources[..] } else { &sources[..1] };
    loop {
        let ready = match guest_fd::poll(sources, timeout) {
            Ok(ready) => ready,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Ready::Signal),
            Err(error) => return Err(error),
        };
        match ready.as_slice() {
            [_, signal] if *signal != 0 => return Ok(Ready::Signal),
            [input, ..] if *input != 0 => return Ok(Ready::Input),
            _ if timeout.is_some() => return Ok(Ready::Timeout),
            _ => {}
        }
    }
}

pub fn is_tty(fd: u32) -> bool {
    tty::get(borrowed(fd)).is_ok()
}

/// Attributes of a terminal.
pub type Termios = tty::Termios;

pub fn tty_get(fd: u32) -> io::Result<Termios> {
    tty::get(borrowed(fd))
}

pub fn tty_set(fd: u32, t: &Termios) -> io::Result<()> {
    tty::set(borrowed(fd), tty::When::Drain, t)
}

/// Bits and indices of Linux's terminal attributes.
mod bits {
    pub const INLCR: u32 = 0o100;
    pub const IGNCR: u32 = 0o200;
    pub const ICRNL: u32 = 0o400;
    pub const IXON: u32 = 0o2000;
    pub const ISIG: u32 = 0o1;
    pub const ICANON: u32 = 0o2;
    pub const ECHO: u32 = 0o10;
    pub const IEXTEN: u32 = 0o100_000;
    pub const VTIME: usize = 5;
    pub const VMIN: usize = 6;
}

/// Attributes for reading keys: no lines, no echo, no signals from keys, no flow control.
pub fn raw_mode(t: &Termios) -> Termios {
    let mut raw = *t;
    raw.iflag &= !(bits::ICRNL | bits::IXON | bits::INLCR | bits::IGNCR);
    raw.lflag &= !(bits::ICANON | bits::ECHO | bits::ISIG | bits::IEXTEN);
    raw.cc[bits::VMIN] = 1;
    raw.cc[bits::VTIME] = 0;
    raw
}

/// Switches echo and line mode.
pub fn adjusted(t: &Termios, echo: bool, lines: bool) -> Termios {
    let mut t = *t;
    if !echo {
        t.lflag &= !bits::ECHO;
    }
    if !lines {
        t.lflag &= !bits::ICANON;
        t.cc[bits::VMIN] = 1;
        t.cc[bits::VTIME] = 0;
    }
    t
}

/// Columns and rows.
pub fn tty_size(fd: u32) -> Option<(u16, u16)> {
    tty::size(borrowed(fd)).ok().map(|s| (s.cols, s.rows))
}

pub fn tty_group(fd: u32) -> io::Result<u32> {
    tty::foreground(borrowed(fd))
}

pub fn set_tty_group(fd: u32, pgid: u32) -> io::Result<()> {
    tty::set_foreground(borrowed(fd), pgid)
}

pub fn times() -> Times {
    let t = process::times().unwrap_or_default();
    Times {
        user: t.user,
        sys: t.sys,
        children_user: t.children_user,
        children_sys: t.children_sys,
    }
}

/// Soft and hard limit of a resource.
pub fn limit(resource: u32) -> io::Result<(u64, u64)> {
    process::limit(resource).map(|l| (l.cur, l.max))
}

pub fn set_limit(resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    process::set_limit(resource, &process::Limit { cur: soft, max: hard })
}
