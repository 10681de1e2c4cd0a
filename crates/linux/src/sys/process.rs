//! Descriptors of files and processes.

use super::check;
use agentos_kernel::vfs::{Holders, open_anew};
use parking_lot::Mutex;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

fn owned(fd: libc::c_long) -> OwnedFd {
    // SAFETY: only given descriptors that a call has just made.
    unsafe { OwnedFd::from_raw_fd(RawFd::try_from(fd).unwrap_or(-1)) }
}

/// A file in memory that can never be executed by its path, close-on-exec.
pub(crate) fn memfd(name: &CStr, sealable: bool) -> io::Result<OwnedFd> {
    const NOEXEC_SEAL: libc::c_uint = 8;
    let sealing = if sealable { libc::MFD_ALLOW_SEALING } else { 0 };
    // SAFETY: the name is a C string.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | NOEXEC_SEAL | sealing) };
    Ok(owned(check(fd.into())?))
}

/// Makes a file in memory read-only for ever.
pub(crate) fn seal(fd: BorrowedFd<'_>) -> io::Result<()> {
    let seals = libc::F_SEAL_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL;
    // SAFETY: takes numbers alone.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) }.into()).map(drop)
}

/// Opens `path` below a directory.
pub(crate) fn open_at(dir: BorrowedFd<'_>, path: &CStr, flags: i32) -> io::Result<OwnedFd> {
    // SAFETY: the path is a C string.
    let fd = unsafe { libc::openat(dir.as_raw_fd(), path.as_ptr(), flags | libc::O_CLOEXEC, 0) };
    Ok(owned(check(fd.into())?))
}

/// What a file says that the host generates, in as few reads as it takes. A process may have a name of any bytes.
pub(crate) fn read_text(dir: BorrowedFd<'_>, path: &CStr) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&read_bytes(dir, path)?).into_owned())
}

/// As [`read_text`], of what is no text.
pub(crate) fn read_bytes(dir: BorrowedFd<'_>, path: &CStr) -> io::Result<Vec<u8>> {
    const ROOM: usize = 4096;
    let mut file = std::fs::File::from(open_at(dir, path, libc::O_RDONLY)?);
    let (mut bytes, mut len) = (vec![0; ROOM], 0);
    loop {
        match io::Read::read(&mut file, bytes.get_mut(len..).unwrap_or_default())? {
            0 => break,
            count => len += count,
        }
        if len == bytes.len() {
            bytes.resize(len * 2, 0);
        }
    }
    bytes.truncate(len);
    Ok(bytes)
}

/// Opens the file behind a descriptor anew: another open description, with another access mode.
pub(crate) fn reopen(fd: BorrowedFd<'_>, flags: i32) -> io::Result<OwnedFd> {
    open_anew(fd, flags)
}

/// Another descriptor for the same open description.
pub(crate) fn duplicate(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    fd.try_clone_to_owned()
}

/// Another descriptor for what a process has open as `fd`. Not every host allows this.
pub(crate) fn take_fd(process: BorrowedFd<'_>, fd: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes numbers alone.
    Ok(owned(check(unsafe {
        libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), fd, 0)
    })?))
}

/// What the host says of an open file.
pub(crate) fn stat_fd(dir: BorrowedFd<'_>, path: &CStr) -> io::Result<libc::stat> {
    // SAFETY: zeros are a valid value, and the call fills it.
    let mut stat = unsafe { std::mem::zeroed::<libc::stat>() };
    let flags = if path.is_empty() { libc::AT_EMPTY_PATH } else { 0 };
    // SAFETY: the path is a C string and `stat` is writable.
    check(unsafe { libc::fstatat(dir.as_raw_fd(), path.as_ptr(), &raw mut stat, flags) }.into())?;
    Ok(stat)
}

/// Flags of an open file.
pub(crate) fn open_flags(fd: BorrowedFd<'_>) -> io::Result<i32> {
    // SAFETY: takes numbers alone.
    let flags = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) }.into())?;
    Ok(i32::try_from(flags).unwrap_or(0))
}

/// Whether a thread is one of this process, both by number.
pub(crate) fn is_thread_of(process: u32, thread: u32) -> bool {
    // SAFETY: takes numbers alone; no signal is sent.
    unsafe { libc::syscall(libc::SYS_tgkill, process, thread, 0) == 0 }
}

/// Process and parent of what a descriptor is of (`PIDFD_GET_INFO`, Linux 6.13), which takes a tenth of the time of reading its
/// `status`.
pub(crate) fn relations(process: BorrowedFd<'_>) -> io::Result<(u32, u32)> {
    const PIDS: u64 = 1;
    info(process, PIDS).map(|found| (found.process, found.parent))
}

/// How a process ended that has been waited for, in the form of `wait(2)` (Linux 6.15).
fn end_of_reaped(process: BorrowedFd<'_>) -> io::Result<u32> {
    const EXIT: u64 = 8;
    info(process, EXIT).map(|found| found.status)
}

/// The first form of `struct pidfd_info`, which every host knows that knows any.
#[repr(C)]
#[derive(Default)]
struct Info64 {
    mask: u64,
    group: u64,
    pid: u32,
    process: u32,
    parent: u32,
    identities: [u32; 8],
    status: u32,
}

/// What a host tells of a process that knows what is `wanted`.
fn info(process: BorrowedFd<'_>, wanted: u64) -> io::Result<Info64> {
    const GET_INFO: libc::c_ulong = 0xC040_FF0B;
    let mut found = Info64 {
        mask: wanted,
        ..Info64::default()
    };
    // SAFETY: the structure has the size that the request's number encodes, and is writable.
    check(unsafe { libc::ioctl(process.as_raw_fd(), GET_INFO, &raw mut found) }.into())?;
    match found.mask & wanted {
        0 => Err(io::Error::from_raw_os_error(libc::ENOTTY)),
        _ => Ok(found),
    }
}

/// Whether a process is there: it lives, or has ended and nobody has waited for it, so that its number is its own.
pub(crate) fn is_there(process: BorrowedFd<'_>) -> bool {
    let nothing = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: takes numbers alone; no signal is sent.
    let done = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), 0, nothing, 0) };
    done == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// A descriptor of a process: it cannot come to mean another one.
pub(crate) fn pid_fd(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: takes numbers alone.
    Ok(owned(check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?))
}

/// What a signal says of itself (`siginfo_t`).
#[repr(C)]
pub(super) struct Info {
    signal: i32,
    errno: i32,
    code: i32,
    pad: i32,
    pid: u32,
    uid: u32,
    rest: [u64; 13],
}

impl Info {
    pub(super) fn from((pid, uid): (u32, u32), signal: i32) -> Self {
        Self {
            signal,
            errno: 0,
            code: libc::SI_QUEUE,
            pad: 0,
            pid,
            uid,
            rest: [0; 13],
        }
    }

    /// As the host fills it in for what a thread sends to one of the same process.
    pub(super) fn of_the_same_process(self) -> Self {
        Self {
            code: libc::SI_TKILL,
            ..self
        }
    }
}

/// Sends a signal to a thread of a process, both by number: the host fails if they do not belong together.
pub(crate) fn signal_thread((process, thread): (u32, u32), signal: i32, from: (u32, u32)) -> io::Result<()> {
    let info = Info::from(from, signal);
    // SAFETY: the information is as long as the host's structure.
    check(unsafe { libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, thread, signal, &raw const info) }).map(drop)
}

/// Sends a signal to a process, as from the process and user that are given.
pub(crate) fn send_signal(process: BorrowedFd<'_>, signal: u32, from: Option<(u32, u32)>) -> io::Result<()> {
    let info = from.map(|from| Info::from(from, signal.cast_signed()));
    let info = info.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the information is absent or as long as the host's structure.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, info, 0) }).map(drop)
}

/// Sends a signal to a process with a value that its sender gives.
pub(crate) fn send_value(process: BorrowedFd<'_>, signal: u32, from: (u32, u32), value: u64) -> io::Result<()> {
    let mut info = Info::from(from, signal.cast_signed());
    info.rest[0] = value;
    // SAFETY: the information is as long as the host's structure.
    check(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal,
            &raw const info,
            0,
        )
    })
    .map(drop)
}

/// What has become of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It goes on, or is somebody else's child.
    Nothing,
    /// It ended with this status.
    Exited(u8),
    /// A signal ended it.
    Killed(u32),
}

/// Asks for the end of a child, and reaps it.
pub(crate) fn wait_for(process: BorrowedFd<'_>) -> Wait {
    // SAFETY: zeros are a valid value.
    let mut info = unsafe { std::mem::zeroed::<libc::siginfo_t>() };
    let options = libc::WEXITED | libc::WNOHANG | libc::__WALL;
    let id = process.as_raw_fd().cast_unsigned();
    // SAFETY: `info` is writable.
    let done = unsafe { libc::waitid(libc::P_PIDFD, id, &raw mut info, options) };
    // SAFETY: the call filled what these read, or left zeros.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if done != 0 || pid == 0 {
        return Wait::Nothing;
    }
    match info.si_code {
        libc::CLD_EXITED => Wait::Exited((status & 0xff) as u8),
        _ => Wait::Killed((status & 0x7f).cast_unsigned()),
    }
}

/// Reaps a child that was killed. It is not waited for longer than a second.
pub(crate) fn reap(process: BorrowedFd<'_>) {
    let mut poll = libc::pollfd {
        fd: process.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one structure, which is writable.
    unsafe { libc::poll(&raw mut poll, 1, 1000) };
    let _ = wait_for(process);
}

/// How a process ended that is somebody else's child: who has waited for it meanwhile, or nobody. Its directory under `/proc` is asked for
/// where it is needed.
pub(crate) fn status_of_other<'a>(process: BorrowedFd<'_>, proc_dir: impl FnOnce() -> BorrowedFd<'a>) -> Wait {
    let read = || -> Option<u32> {
        let text = read_text(proc_dir(), c"stat").ok()?;
        // The last field, in the form of `wait(2)`. The name before it may hold anything, so only what follows is split.
        text.rsplit(')').next()?.split_ascii_whitespace().last()?.parse().ok()
    };
    match end_of_reaped(process).ok().or_else(read) {
        None => Wait::Nothing,
        Some(status) if status & 0x7f == 0 => Wait::Exited((status >> 8 & 0xff) as u8),
        Some(status) => Wait::Killed(status & 0x7f),
    }
}

/// The parent of a process that has ended and that nobody has waited for.
pub(crate) fn parent_of_zombie(pid: u32) -> Option<u32> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // After the name, which may hold anything: its state, then its parent.
    let rest = text.rsplit(|byte| *byte == b')').next()?;
    let mut fields = std::str::from_utf8(rest).ok()?.split_ascii_whitespace();
    (fields.next()? == "Z").then(|| fields.next()?.parse().ok()).flatten()
}

/// Process group and session of a process. Both are 0 where the leader is outside of this process's PID namespace, as in a container that a
/// session outside of it runs something in.
pub(crate) fn group_and_session(pid: u32) -> Option<(i32, i32)> {
    // SAFETY: both take a number alone.
    let (group, session) = unsafe { (libc::getpgid(pid.cast_signed()), libc::getsid(pid.cast_signed())) };
    (group >= 0 && session >= 0).then_some((group, session))
}

/// Sets soft and hard limit of a process.
pub(crate) fn set_limit(pid: u32, resource: libc::__rlimit_resource_t, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit64 {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: the new limit is readable, the old one is not asked for.
    let done = unsafe { libc::prlimit64(pid.cast_signed(), resource, &raw const limit, std::ptr::null_mut()) };
    check(done.into()).map(drop)
}

/// Soft and hard limit of a process.
pub(crate) fn limits_of(pid: u32, resource: libc::__rlimit_resource_t) -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: no new limit is given, the old one is writable.
    let done = unsafe { libc::prlimit64(pid.cast_signed(), resource, std::ptr::null(), &raw mut limit) };
    check(done.into())?;
    Ok((limit.rlim_cur, limit.rlim_max))
}

/// Soft limit of a process.
pub(crate) fn limit_of(pid: u32, resource: libc::__rlimit_resource_t) -> io::Result<u64> {
    limits_of(pid, resource).map(|(soft, _)| soft)
}

/// `F_SETSIG`.
const SET_SIGNAL: i32 = 10;

/// Who has a file in memory open or mapped, besides the descriptor that made it. Only of use while nobody opens it.
pub(crate) fn holders(file: BorrowedFd<'_>) -> Holders {
    // Counts as a reader.
    let Ok(reader) = reopen(file, libc::O_RDONLY).or_else(|_| with_spare(|| reopen(file, libc::O_RDONLY))) else {
        return Holders::Writers;
    };
    let held = leases(&reader);
    drop(reader);
    keep_spare();
    held
}

/// A descriptor that is kept for when this process has no other: what nobody uses any more is found out by opening it.
static SPARE: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// Sees to it that there is one.
fn keep_spare() {
    let mut spare = SPARE.lock();
    if spare.is_none() {
        *spare = std::fs::File::open("/dev/null").ok().map(OwnedFd::from);
    }
}

/// Gives the spare one up for what needs one.
fn with_spare<T>(open: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    drop(SPARE.lock().take());
    open()
}

/// Who has the file open that this one has opened for reading.
fn leases(reader: &OwnedFd) -> Holders {
    let lease = |kind: i32| {
        // Whoever opens the file in the moment of a lease has the host signal its holder, by SIGIO unless another is named, and
        // that ends a process that does not expect it. SIGURG is dropped by who does not ask for it, and may come at any time
        // to who does. The end of a lease takes the name back, so it is given before each.
        // SAFETY: takes numbers alone.
        let named = unsafe { libc::fcntl(reader.as_raw_fd(), SET_SIGNAL, libc::SIGURG) } == 0;
        // SAFETY: as above.
        let leased = named && unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETLEASE, kind) } == 0;
        if leased {
            // SAFETY: as above.
            unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
        }
        leased
    };
    match (lease(libc::F_WRLCK), lease(libc::F_RDLCK)) {
        (true, _) => Holders::None,
        (false, true) => Holders::Readers,
        (false, false) => Holders::Writers,
    }
}

/// A number that nobody can guess: from the host, as a VM's source of randomness may be anything.
pub(crate) fn random() -> io::Result<u64> {
    let mut word = [0; 8];
    // SAFETY: eight bytes are writable.
    let count = check(unsafe { libc::getrandom(word.as_mut_ptr().cast(), word.len(), 0) } as libc::c_long)?;
    match count {
        8 => Ok(u64::from_le_bytes(word)),
        _ => Err(io::Error::from_raw_os_error(libc::EAGAIN)),
    }
}

/// Number of the calling thread.
pub(crate) fn thread_id() -> u32 {
    // SAFETY: takes nothing.
    unsafe { libc::gettid() }.cast_unsigned()
}

/// Gives up every capability of the calling thread, and the power to get one by `execve`.
pub(crate) fn clear_capabilities() {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    const LOCKED_DOWN: libc::c_ulong = 0xef;
    let header = Header {
        version: 0x2008_0522,
        pid: 0,
    };
    let none = [0u32; 6];
    for capability in 0..64 {
        // SAFETY: takes numbers alone; fails for one that does not exist or without the right, which then is not there either.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability as libc::c_ulong, 0, 0, 0) };
    }
    // SAFETY: as above: root keeps no rights through `execve`.
    unsafe { libc::prctl(libc::PR_SET_SECUREBITS, LOCKED_DOWN, 0, 0, 0) };
    // SAFETY: as above.
    unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) };
    // SAFETY: header and sets have the layout of this version.
    unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) };
}

/// Waits for many descriptors.
#[derive(Debug)]
pub(crate) struct Poller(OwnedFd);

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What happened at a descriptor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) token: u64,
    pub(crate) hung_up: bool,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes numbers alone.
        Ok(Self(owned(check(
            unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }.into(),
        )?)))
    }

    pub(crate) fn add(&self, fd: BorrowedFd<'_>, token: u64, events: i32) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: events.cast_unsigned(),
            u64: token,
        };
        // SAFETY: the event is readable.
        let done = unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &raw mut event) };
        check(done.into()).map(drop)
    }

    pub(crate) fn rearm(&self, fd: BorrowedFd<'_>, token: u64, events: i32) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: events.cast_unsigned(),
            u64: token,
        };
        // SAFETY: the event is readable.
        let done = unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_MOD, fd.as_raw_fd(), &raw mut event) };
        check(done.into()).map(drop)
    }

    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) {
        // SAFETY: takes numbers alone here.
        unsafe {
            libc::epoll_ctl(
                self.0.as_raw_fd(),
                libc::EPOLL_CTL_DEL,
                fd.as_raw_fd(),
                std::ptr::null_mut(),
            )
        };
    }

    /// Whether something is ready, at most `timeout` ms later (-1: whenever); it stays so. An interruption reads as nothing.
    pub(crate) fn is_ready_within(&self, timeout: i32) -> bool {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: there is room for one event.
        unsafe { libc::epoll_wait(self.0.as_raw_fd(), &raw mut event, 1, timeout) > 0 }
    }

    /// Waits, at most `timeout` ms (-1: for ever), and says what is ready. An interruption reads as nothing.
    pub(crate) fn wait(&self, timeout: i32, into: &mut Vec<Ready>) {
        const MOST: usize = 32;
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; MOST];
        // SAFETY: there is room for so many events.
        let count = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), MOST as i32, timeout) };
        let count = usize::try_from(count).unwrap_or(0).min(MOST);
        into.clear();
        into.extend(events.iter().take(count).map(|event| Ready {
            token: event.u64,
            hung_up: event.events & (libc::EPOLLHUP | libc::EPOLLERR).cast_unsigned() != 0,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Ends the process that runs the tests if the host's signal of a lease that is broken is not harmless.
    #[test]
    fn files_may_be_opened_while_who_holds_them_is_asked() {
        let file = memfd(c"held", false).unwrap();
        let done = AtomicBool::new(false);
        let opened = std::thread::scope(|scope| {
            let opener = scope.spawn(|| {
                let mut opened = 0;
                while !done.load(Ordering::Acquire) {
                    opened += usize::from(reopen(file.as_fd(), libc::O_RDWR | libc::O_NONBLOCK).is_ok());
                }
                opened
            });
            for _ in 0..50_000 {
                holders(file.as_fd());
            }
            done.store(true, Ordering::Release);
            opener.join()
        });
        assert!(opened.unwrap() > 0);
        assert_eq!(holders(file.as_fd()), Holders::None);
        let _reader = reopen(file.as_fd(), libc::O_RDONLY).unwrap();
        assert_eq!(holders(file.as_fd()), Holders::Readers);
        let _writer = reopen(file.as_fd(), libc::O_RDWR).unwrap();
        assert_eq!(holders(file.as_fd()), Holders::Writers);
    }
}
