//! The host, for trying the shell there.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Group, Open, Program, Ready, Stat, State, Times, Waited};
use crate::text::to_os;

/// Undoes what Rust's runtime does on a host: a broken pipe ends a process.
pub fn start() {
    default_signal(13);
}

fn check(result: libc::c_int) -> io::Result<u32> {
    u32::try_from(result).map_err(|_| io::Error::last_os_error())
}

fn c_path(path: &str) -> io::Result<CString> {
    CString::new(to_os(path).as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

pub fn is_eperm(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EPERM)
}

pub fn is_enoexec(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOEXEC)
}

pub fn read(fd: u32, buf: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the buffer is live and as long as said.
    let n = unsafe { libc::read(fd as i32, buf.as_mut_ptr().cast(), buf.len()) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

pub fn write(fd: u32, buf: &[u8]) -> io::Result<usize> {
    // SAFETY: the buffer is live and as long as said.
    let n = unsafe { libc::write(fd as i32, buf.as_ptr().cast(), buf.len()) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Moves the offset back by `n`; `false` if the file has none.
pub fn seek_back(fd: u32, n: usize) -> bool {
    // SAFETY: no memory is passed.
    unsafe { libc::lseek(fd as i32, -(n as i64), libc::SEEK_CUR) >= 0 }
}

pub fn open(path: &str, how: Open, mode: u32) -> io::Result<u32> {
    let mut flags = libc::O_CLOEXEC
        | match (how.read, how.write) {
            (true, true) => libc::O_RDWR,
            (false, true) => libc::O_WRONLY,
            _ => libc::O_RDONLY,
        };
    for (on, flag) in [
        (how.append, libc::O_APPEND),
        (how.create, libc::O_CREAT),
        (how.truncate, libc::O_TRUNC),
        (how.exclusive, libc::O_EXCL),
    ] {
        flags |= if on { flag } else { 0 };
    }
    let path = c_path(path)?;
    // SAFETY: the path is NUL-terminated.
    check(unsafe { libc::open(path.as_ptr(), flags, mode) })
}

pub fn dup(fd: u32, min: u32, cloexec: bool) -> io::Result<u32> {
    let cmd = if cloexec { libc::F_DUPFD_CLOEXEC } else { libc::F_DUPFD };
    // SAFETY: no memory is passed.
    check(unsafe { libc::fcntl(fd as i32, cmd, min) })
}

pub fn dup_to(fd: u32, to: u32) -> io::Result<()> {
    if fd == to {
        return set_cloexec(fd, false);
    }
    // SAFETY: no memory is passed.
    check(unsafe { libc::dup2(fd as i32, to as i32) }).map(drop)
}

pub fn close(fd: u32) {
    // SAFETY: no memory is passed; the shell's descriptors are bare numbers that no Rust value owns.
    unsafe { libc::close(fd as i32) };
}

pub fn set_cloexec(fd: u32, on: bool) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::fcntl(fd as i32, libc::F_SETFD, if on { libc::FD_CLOEXEC } else { 0 }) }).map(drop)
}

pub fn is_open(fd: u32) -> bool {
    // SAFETY: no memory is passed.
    unsafe { libc::fcntl(fd as i32, libc::F_GETFD) >= 0 }
}

pub fn pipe() -> io::Result<(u32, u32)> {
    let mut fds = [0; 2];
    // SAFETY: two numbers are written.
    check(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) })?;
    Ok((fds[0] as u32, fds[1] as u32))
}

fn convert(st: &libc::stat) -> Stat {
    Stat {
        dev: st.st_dev,
        ino: st.st_ino,
        mode: st.st_mode,
        uid: st.st_uid,
        gid: st.st_gid,
        size: st.st_size as u64,
        mtime: st.st_mtime * 1_000_000_000 + st.st_mtime_nsec,
        atime: st.st_atime * 1_000_000_000 + st.st_atime_nsec,
    }
}

pub fn stat(path: &str, follow: bool) -> io::Result<Stat> {
    let path = c_path(path)?;
    // SAFETY: all-zero is a valid value; the path is NUL-terminated.
    unsafe {
        let mut st: libc::stat = std::mem::zeroed();
        check(if follow {
            libc::stat(path.as_ptr(), &mut st)
        } else {
            libc::lstat(path.as_ptr(), &mut st)
        })?;
        Ok(convert(&st))
    }
}

pub fn fstat(fd: u32) -> io::Result<Stat> {
    // SAFETY: all-zero is a valid value.
    unsafe {
        let mut st: libc::stat = std::mem::zeroed();
        check(libc::fstat(fd as i32, &mut st))?;
        Ok(convert(&st))
    }
}

/// 4 read, 2 write, 1 execute.
pub fn access(path: &str, mode: u32) -> bool {
    // SAFETY: the path is NUL-terminated.
    c_path(path)
        .is_ok_and(|path| unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), mode as i32, libc::AT_EACCESS) == 0 })
}

pub fn chdir(path: &str) -> io::Result<()> {
    std::env::set_current_dir(to_os(path))
}

pub fn getcwd() -> io::Result<String> {
    std::env::current_dir().map(|p| crate::text::from_os(p.into_os_string()))
}

pub fn umask(set: Option<u32>) -> u32 {
    // SAFETY: no memory is passed.
    unsafe {
        let old = libc::umask(set.unwrap_or(0o22));
        if set.is_none() {
            libc::umask(old);
        }
        old
    }
}

pub fn pid() -> u32 {
    std::process::id()
}

pub fn ppid() -> u32 {
    std::os::unix::process::parent_id()
}

pub fn pgrp() -> u32 {
    // SAFETY: no memory is passed.
    unsafe { libc::getpgrp() as u32 }
}

pub fn set_pgrp(pid: u32, pgid: u32) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::setpgid(pid as i32, pgid as i32) }).map(drop)
}

/// Real and effective user, real and effective group.
pub fn user_ids() -> [u32; 4] {
    // SAFETY: no memory is passed.
    unsafe { [libc::getuid(), libc::geteuid(), libc::getgid(), libc::getegid()] }
}

pub fn groups() -> Vec<u32> {
    vec![user_ids()[2]]
}

pub fn hostname() -> String {
    std::fs::read_to_string("/etc/hostname")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn place(group: Group) {
    if let Some(pgid) = group.pgid {
        // SAFETY: no memory is passed.
        unsafe {
            libc::setpgid(0, pgid as i32);
            if group.foreground {
                libc::tcsetpgrp(2, libc::getpgrp());
            }
        }
    }
}

/// Starts a copy of the process that runs `body` and exits with its result.
pub fn clone(group: Group, body: &mut dyn FnMut() -> i32) -> io::Result<u32> {
    // SAFETY: the process has one thread, so that the child may go on as usual.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        place(group);
        let status = body();
        // SAFETY: no memory is passed.
        unsafe { libc::_exit(status & 0xff) };
    }
    check(pid)
}

fn run(program: &Program<'_>) -> io::Error {
    let strings =
        |texts: Vec<Vec<u8>>| -> Vec<CString> { texts.into_iter().filter_map(|t| CString::new(t).ok()).collect() };
    let argv = strings(program.argv.iter().map(|a| to_os(a).as_bytes().to_vec()).collect());
    let env = strings(
        program
            .env
            .iter()
            .map(|(n, v)| [to_os(n).as_bytes(), b"=", to_os(v).as_bytes()].concat())
            .collect(),
    );
    let pointers = |all: &[CString]| -> Vec<*const libc::c_char> {
        all.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, env) = (pointers(&argv), pointers(&env));
    let Ok(path) = c_path(program.path) else {
        return io::ErrorKind::InvalidInput.into();
    };
    for (from, to) in program.fds {
        match from {
            Some(from) => drop(dup_to(*from, *to)),
            None => close(*to),
        }
    }
    for signal in 1..32 {
        if program.defaults & (1 << (signal - 1)) != 0 {
            default_signal(signal);
        }
    }
    // SAFETY: the arrays end in null and their strings are live.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

pub fn spawn(program: &Program<'_>) -> io::Result<u32> {
    let (read_end, write_end) = pipe()?;
    // SAFETY: the process has one thread, so that the child may go on as usual.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        place(program.group);
        let error = run(program).raw_os_error().unwrap_or(0);
        let _ = write(write_end, &error.to_le_bytes());
        // SAFETY: no memory is passed.
        unsafe { libc::_exit(127) };
    }
    close(write_end);
    let mut error = [0; 4];
    let failed = loop {
        match read(read_end, &mut error) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other? == 4,
        }
    };
    close(read_end);
    if failed {
        // SAFETY: no status is asked for.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
        return Err(io::Error::from_raw_os_error(i32::from_le_bytes(error)));
    }
    check(pid)
}

pub fn exec(program: &Program<'_>) -> io::Error {
    run(program)
}

/// Waits for a child, or any; `None` when `block` is off and none changed.
pub fn wait(pid: Option<u32>, block: bool) -> io::Result<Option<Waited>> {
    let mut status = 0;
    let options = libc::WUNTRACED | libc::WCONTINUED | if block { 0 } else { libc::WNOHANG };
    // SAFETY: one number is written.
    let pid = check(unsafe { libc::waitpid(pid.map_or(-1, |p| p as i32), &mut status, options) })?;
    if pid == 0 {
        return Ok(None);
    }
    let state = if libc::WIFEXITED(status) {
        State::Exited(libc::WEXITSTATUS(status) as u8)
    } else if libc::WIFSIGNALED(status) {
        State::Signaled(libc::WTERMSIG(status) as u8)
    } else if libc::WIFSTOPPED(status) {
        State::Stopped(libc::WSTOPSIG(status) as u8)
    } else {
        State::Continued
    };
    Ok(Some(Waited { pid, state }))
}

pub fn kill(pid: i32, signal: u32) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::kill(pid, signal as i32) }).map(drop)
}

static PENDING: AtomicU64 = AtomicU64::new(0);

extern "C" fn note(signal: libc::c_int) {
    PENDING.fetch_or(1 << (signal - 1), Ordering::SeqCst);
}

fn set_action(signal: u32, action: libc::sighandler_t) {
    // SAFETY: all-zero is a valid value; the handler only sets a bit.
    unsafe {
        let mut act: libc::sigaction = std::mem::zeroed();
        act.sa_sigaction = action;
        libc::sigaction(signal as i32, &act, std::ptr::null_mut());
    }
}

pub fn catch_signal(signal: u32) {
    set_action(signal, note as extern "C" fn(libc::c_int) as libc::sighandler_t);
}

pub fn ignore_signal(signal: u32) {
    set_action(signal, libc::SIG_IGN);
}

pub fn default_signal(signal: u32) {
    set_action(signal, libc::SIG_DFL);
}

/// Whether a signal is ignored now.
pub fn is_ignored(signal: u32) -> bool {
    // SAFETY: all-zero is a valid value.
    unsafe {
        let mut act: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal as i32, std::ptr::null(), &mut act);
        act.sa_sigaction == libc::SIG_IGN
    }
}

/// Takes a caught signal that is pending.
pub fn take_signal() -> Option<u32> {
    let pending = PENDING.load(Ordering::SeqCst);
    if pending == 0 {
        return None;
    }
    let signal = pending.trailing_zeros() + 1;
    PENDING.fetch_and(!(1 << (signal - 1)), Ordering::SeqCst);
    Some(signal)
}

/// Waits for input; also ends when a caught signal arrives, if `signals` is set.
pub fn wait_input(fd: u32, timeout: Option<Duration>, signals: bool) -> io::Result<Ready> {
    let mut entry = libc::pollfd {
        fd: fd as i32,
        events: libc::POLLIN,
        revents: 0,
    };
    loop {
        if signals && PENDING.load(Ordering::SeqCst) != 0 {
            return Ok(Ready::Signal);
        }
        let ms = timeout.map_or(-1, |t| i32::try_from(t.as_millis()).unwrap_or(i32::MAX));
        // SAFETY: one live entry.
        match unsafe { libc::poll(&mut entry, 1, ms) } {
            0 => return Ok(Ready::Timeout),
            n if n > 0 => return Ok(Ready::Input),
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

pub fn is_tty(fd: u32) -> bool {
    // SAFETY: no memory is passed.
    unsafe { libc::isatty(fd as i32) == 1 }
}

/// Attributes of a terminal.
pub type Termios = libc::termios;

pub fn tty_get(fd: u32) -> io::Result<Termios> {
    // SAFETY: all-zero is a valid value.
    unsafe {
        let mut t: Termios = std::mem::zeroed();
        check(libc::tcgetattr(fd as i32, &mut t))?;
        Ok(t)
    }
}

pub fn tty_set(fd: u32, t: &Termios) -> io::Result<()> {
    // SAFETY: the record is live.
    check(unsafe { libc::tcsetattr(fd as i32, libc::TCSADRAIN, t) }).map(drop)
}

/// Attributes for reading keys: no lines, no echo, no signals from keys, no flow control.
pub fn raw_mode(t: &Termios) -> Termios {
    let mut raw = *t;
    raw.c_iflag &= !(libc::ICRNL | libc::IXON | libc::INLCR | libc::IGNCR);
    raw.c_lflag &= !(libc::ICANON | libc::ECHO | libc::ISIG | libc::IEXTEN);
    raw.c_cc[libc::VMIN] = 1;
    raw.c_cc[libc::VTIME] = 0;
    raw
}

/// Switches echo and line mode.
pub fn adjusted(t: &Termios, echo: bool, lines: bool) -> Termios {
    let mut t = *t;
    if !echo {
        t.c_lflag &= !libc::ECHO;
    }
    if !lines {
        t.c_lflag &= !libc::ICANON;
        t.c_cc[libc::VMIN] = 1;
        t.c_cc[libc::VTIME] = 0;
    }
    t
}

/// Columns and rows.
pub fn tty_size(fd: u32) -> Option<(u16, u16)> {
    // SAFETY: all-zero is a valid value; one record is written.
    unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        (libc::ioctl(fd as i32, libc::TIOCGWINSZ, &mut size) == 0).then_some((size.ws_col, size.ws_row))
    }
}

pub fn tty_group(fd: u32) -> io::Result<u32> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::tcgetpgrp(fd as i32) })
}

pub fn set_tty_group(fd: u32, pgid: u32) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::tcsetpgrp(fd as i32, pgid as i32) }).map(drop)
}

pub fn times() -> Times {
    let usage = |who| {
        // SAFETY: all-zero is a valid value; one record is written.
        let u = unsafe {
            let mut u: libc::rusage = std::mem::zeroed();
            libc::getrusage(who, &mut u);
            u
        };
        let time = |t: libc::timeval| Duration::from_micros(t.tv_sec as u64 * 1_000_000 + t.tv_usec as u64);
        (time(u.ru_utime), time(u.ru_stime))
    };
    let ((user, sys), (children_user, children_sys)) = (usage(libc::RUSAGE_SELF), usage(libc::RUSAGE_CHILDREN));
    Times {
        user,
        sys,
        children_user,
        children_sys,
    }
}

/// Soft and hard limit of a resource.
pub fn limit(resource: u32) -> io::Result<(u64, u64)> {
    let mut l = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: one record is written.
    check(unsafe { libc::getrlimit(resource, &mut l) })?;
    Ok((l.rlim_cur, l.rlim_max))
}

pub fn set_limit(resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let l = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: the record is live.
    check(unsafe { libc::setrlimit(resource, &l) }).map(drop)
}
