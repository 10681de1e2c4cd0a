//! Pipes of the host behind pipes of a VM, and the thread that waits for them on the kernel's behalf.

use crate::sys::{self, Poller, Ready, reopen};
use agentos_kernel::clock::Timestamp;
use agentos_kernel::fd::{AccessMode, HostPipe, IoResult, PollEvents};
use agentos_kernel::id::{Gid, Ino, Uid};
use agentos_kernel::vfs::{Attr, FileType, Mode};
use agentos_kernel::{Errno, Result};
use parking_lot::Mutex;
use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};

/// A pipe of the host.
pub(crate) struct NativePipe {
    /// Names the pipe without being an end of it.
    path: OwnedFd,
    ends: Mutex<Ends>,
    /// Held while there is an end for a moment that is nobody's.
    momentary: Mutex<()>,
    reactor: &'static Reactor,
}

/// The kernel's own ends; both never wait.
struct Ends {
    reader: Option<End>,
    writer: Option<End>,
}

pub(crate) struct End {
    pub(crate) fd: OwnedFd,
    token: u64,
    waiting: Arc<Mutex<Vec<Waker>>>,
}

/// Waiters that are kept for one end; then all are woken to ask again.
const WAITERS_MAX: usize = 64;

impl NativePipe {
    /// A pipe that holds `buffered`.
    pub(crate) fn new(buffered: &[u8]) -> Result<Arc<Self>> {
        let reactor = Reactor::get().ok_or(Errno::EAGAIN)?;
        let make = || -> io::Result<Self> {
            let (reader, writer) = pipe()?;
            if buffered.len() > CAPACITY {
                let size = i32::try_from(buffered.len()).unwrap_or(i32::MAX);
                // SAFETY: takes numbers alone.
                sys::check(unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, size) }.into())?;
            }
            let mut rest = buffered;
            while !rest.is_empty() {
                let count = write(&writer, rest)?;
                rest = rest.get(count..).unwrap_or_default();
            }
            let path = reopen(reader.as_fd(), libc::O_PATH)?;
            let ends = Ends {
                reader: Some(reactor.watch(reader)?),
                writer: Some(reactor.watch(writer)?),
            };
            Ok(Self {
                path,
                ends: Mutex::new(ends),
                momentary: Mutex::default(),
                reactor,
            })
        };
        make().map(Arc::new).map_err(|error| host_error(&error))
    }

    /// A pipe that a guest has made; `path` names it without being an end. The kernel has no end of it yet.
    pub(crate) fn adopt(path: OwnedFd) -> Result<Arc<Self>> {
        let reactor = Reactor::get().ok_or(Errno::EAGAIN)?;
        Ok(Arc::new(Self {
            path,
            ends: Mutex::new(Ends {
                reader: None,
                writer: None,
            }),
            momentary: Mutex::default(),
            reactor,
        }))
    }

    /// An end for a guest, which waits unless it is told not to.
    pub(crate) fn open(&self, access: AccessMode, nonblocking: bool) -> io::Result<OwnedFd> {
        let flags = match (access.contains(AccessMode::READ), access.contains(AccessMode::WRITE)) {
            (true, true) => libc::O_RDWR,
            (_, true) => libc::O_WRONLY,
            _ => libc::O_RDONLY,
        };
        let momentary = self.momentary.lock();
        let company = self.company()?;
        let fd = reopen(self.path.as_fd(), flags | libc::O_NONBLOCK)?;
        drop(company);
        drop(momentary);
        if !nonblocking {
            // SAFETY: takes numbers alone.
            sys::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, 0) }.into())?;
        }
        Ok(fd)
    }

    /// Both ends for a moment. A reader of a pipe that has never had a writer would not be told that there is none, and a
    /// pipe that everybody has closed is a new one to the host.
    fn company(&self) -> io::Result<OwnedFd> {
        reopen(self.path.as_fd(), libc::O_RDWR | libc::O_NONBLOCK)
    }

    /// What the host says of the other side to an end that is there for a moment.
    fn ask(&self, flags: i32, events: i16) -> io::Result<i16> {
        let _momentary = self.momentary.lock();
        let company = self.company()?;
        let end = reopen(self.path.as_fd(), flags | libc::O_NONBLOCK)?;
        drop(company);
        Ok(poll_now(&end, events))
    }
}

/// The kernel's end of a pipe that a guest has made.
pub(crate) struct NativeEnd {
    pub(crate) pipe: Arc<NativePipe>,
    access: AccessMode,
    number: u64,
}

impl NativeEnd {
    pub(crate) fn new(pipe: Arc<NativePipe>, access: AccessMode, number: u64) -> Self {
        pipe.hold(access.contains(AccessMode::READ), access.contains(AccessMode::WRITE));
        Self { pipe, access, number }
    }
}

impl agentos_kernel::fd::File for NativeEnd {
    fn read(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        HostPipe::read(&*self.pipe, buf, waker)
    }

    fn write(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        HostPipe::write(&*self.pipe, data, waker)
    }

    fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        HostPipe::poll(&*self.pipe, self.access, interest, waker)
    }

    fn stat(&self) -> Result<Attr> {
        Ok(Attr {
            ino: Ino(self.number),
            kind: FileType::Fifo,
            mode: Mode::new(0o600),
            nlink: 1,
            uid: Uid::USER,
            gid: Gid::USER,
            rdev: 0,
            size: 0,
            blocks: 0,
            atime: Timestamp::default(),
            mtime: Timestamp::default(),
            ctime: Timestamp::default(),
            btime: Timestamp::default(),
        })
    }

    fn available(&self) -> Result<u64> {
        Ok(HostPipe::available(&*self.pipe))
    }

    fn close(&self) {
        self.pipe.hold(false, false);
    }

    fn describe(&self) -> String {
        format!("pipe:[{}]", self.number)
    }

    fn again(&self, access: AccessMode) -> Option<Arc<dyn agentos_kernel::fd::File>> {
        Some(Arc::new(Self::new(Arc::clone(&self.pipe), access, self.number)))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Bytes that a pipe of the host holds; then writers wait.
const CAPACITY: usize = 65536;

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: there is room for two numbers.
    sys::check(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) }.into())?;
    // SAFETY: the call made both.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

pub(crate) fn write(fd: &OwnedFd, data: &[u8]) -> io::Result<usize> {
    // SAFETY: `data` is readable.
    let count = unsafe { libc::write(fd.as_raw_fd(), data.as_ptr().cast(), data.len()) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

pub(crate) fn read(fd: &OwnedFd, buf: &mut [u8]) -> io::Result<usize> {
    // SAFETY: `buf` is writable.
    let count = unsafe { libc::read(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len()) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// An error of the host as the kernel has it.
pub(crate) fn host_error(error: &io::Error) -> agentos_kernel::Error {
    match Errno::from_raw(sys::errno_of(error)) {
        Some(Errno::EMFILE) => agentos_kernel::descriptors::exhausted("pipe").into(),
        errno => errno.unwrap_or(Errno::EIO).into(),
    }
}

impl HostPipe for NativePipe {
    fn read(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        let ends = self.ends.lock();
        let Some(end) = &ends.reader else {
            return Poll::Ready(Err(Errno::EBADF.into()));
        };
        match read(&end.fd, buf) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.reactor.wait(end, libc::EPOLLIN, waker),
            done => Poll::Ready(done.map_err(|error| host_error(&error))),
        }
    }

    fn write(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        let ends = self.ends.lock();
        let Some(end) = &ends.writer else {
            return Poll::Ready(Err(Errno::EBADF.into()));
        };
        match write(&end.fd, data) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.reactor.wait(end, libc::EPOLLOUT, waker),
            done => Poll::Ready(done.map_err(|error| host_error(&error))),
        }
    }

    fn poll(&self, access: AccessMode, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        let ends = self.ends.lock();
        let mut ready = PollEvents::empty();
        let reader = ends.reader.as_ref().filter(|_| access.contains(AccessMode::READ));
        let writer = ends.writer.as_ref().filter(|_| access.contains(AccessMode::WRITE));
        if let Some(end) = reader {
            let events = poll_now(&end.fd, libc::POLLIN);
            ready.set(PollEvents::IN, events & libc::POLLIN != 0);
            ready.set(PollEvents::HUP, events & libc::POLLHUP != 0);
        }
        if let Some(end) = writer {
            let events = poll_now(&end.fd, libc::POLLOUT);
            ready.set(PollEvents::OUT, events & libc::POLLOUT != 0);
            ready.set(PollEvents::ERR, events & libc::POLLERR != 0);
        }
        ready &= interest | PollEvents::HUP | PollEvents::ERR;
        if ready.is_empty() {
            for (end, events) in [(reader, libc::EPOLLIN), (writer, libc::EPOLLOUT)] {
                if let Some(end) = end {
                    let _: IoResult<()> = self.reactor.wait(end, events, waker);
                }
            }
        }
        ready
    }

    fn available(&self) -> u64 {
        let mut count = 0;
        let ends = self.ends.lock();
        if let Some(end) = ends.reader.as_ref().or(ends.writer.as_ref()) {
            // SAFETY: the request writes one number.
            unsafe { libc::ioctl(end.fd.as_raw_fd(), libc::FIONREAD, &raw mut count) };
        }
        u64::try_from(count).unwrap_or(0)
    }

    fn hold(&self, readers: bool, writers: bool) {
        let mut ends = self.ends.lock();
        let open = |access| self.open(access, true).ok().and_then(|fd| self.reactor.watch(fd).ok());
        let mut gone = Vec::new();
        match readers {
            true if ends.reader.is_none() => ends.reader = open(AccessMode::READ),
            false => gone.extend(ends.reader.take()),
            true => {}
        }
        match writers {
            true if ends.writer.is_none() => ends.writer = open(AccessMode::WRITE),
            false => gone.extend(ends.writer.take()),
            true => {}
        }
        drop(ends);
        for end in gone {
            self.reactor.forget(&end);
        }
    }

    /// Where the host has no descriptor for the question there may be somebody.
    fn has(&self, access: AccessMode) -> bool {
        match access.contains(AccessMode::READ) {
            true => self
                .ask(libc::O_WRONLY, libc::POLLOUT)
                .map_or(true, |found| found & libc::POLLERR == 0),
            false => self
                .ask(libc::O_RDONLY, libc::POLLIN)
                .map_or(true, |found| found & libc::POLLHUP == 0),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for NativePipe {
    fn drop(&mut self) {
        self.hold(false, false);
    }
}

pub(crate) fn poll_now(fd: &OwnedFd, events: i16) -> i16 {
    let mut entry = libc::pollfd {
        fd: fd.as_raw_fd(),
        events,
        revents: 0,
    };
    // SAFETY: one entry is readable and writable.
    unsafe { libc::poll(&raw mut entry, 1, 0) };
    entry.revents
}

/// One thread of the host process that wakes whoever waits for a pipe of the host.
pub(crate) struct Reactor {
    poller: Poller,
    waiting: Mutex<HashMap<u64, Arc<Mutex<Vec<Waker>>>>>,
    next: Mutex<u64>,
}

impl Reactor {
    /// The one of this process, started at the first need. None if the host refuses a thread or a descriptor.
    pub(crate) fn get() -> Option<&'static Self> {
        static REACTOR: OnceLock<Option<&'static Reactor>> = OnceLock::new();
        *REACTOR.get_or_init(|| {
            let poller = Poller::new().ok()?;
            // Lives as long as the process.
            let reactor: &'static Self = Box::leak(Box::new(Self {
                poller,
                waiting: Mutex::default(),
                next: Mutex::new(0),
            }));
            let thread = std::thread::Builder::new().name("agentos-pipes".into());
            thread.spawn(move || reactor.run()).ok().map(|_| reactor)
        })
    }

    fn run(&self) {
        let mut ready: Vec<Ready> = Vec::new();
        loop {
            self.poller.wait(-1, &mut ready);
            for event in &ready {
                let waiting = self.waiting.lock().get(&event.token).cloned();
                let wakers = waiting.map(|waiting| std::mem::take(&mut *waiting.lock()));
                wakers.into_iter().flatten().for_each(Waker::wake);
            }
        }
    }

    pub(crate) fn watch(&self, fd: OwnedFd) -> io::Result<End> {
        let token = {
            let mut next = self.next.lock();
            *next += 1;
            *next
        };
        self.poller.add(fd.as_fd(), token, libc::EPOLLONESHOT)?;
        let waiting = Arc::<Mutex<Vec<Waker>>>::default();
        self.waiting.lock().insert(token, Arc::clone(&waiting));
        Ok(End { fd, token, waiting })
    }

    pub(crate) fn wait<T>(&self, end: &End, events: i32, waker: Option<&Waker>) -> IoResult<T> {
        let Some(waker) = waker else { return Poll::Pending };
        let crowd = {
            let mut waiting = end.waiting.lock();
            if !waiting.iter().any(|known| known.will_wake(waker)) {
                waiting.push(waker.clone());
            }
            match waiting.len() > WAITERS_MAX {
                true => std::mem::take(&mut *waiting),
                false => Vec::new(),
            }
        };
        crowd.into_iter().for_each(Waker::wake);
        // Ready already reads as an event at once.
        if self
            .poller
            .rearm(end.fd.as_fd(), end.token, events | libc::EPOLLONESHOT)
            .is_err()
        {
            return Poll::Ready(Err(Errno::EIO.into()));
        }
        Poll::Pending
    }

    pub(crate) fn forget(&self, end: &End) {
        self.poller.remove(end.fd.as_fd());
        self.waiting.lock().remove(&end.token);
        let wakers = std::mem::take(&mut *end.waiting.lock());
        wakers.into_iter().for_each(Waker::wake);
    }
}
