//! Terminals of the host behind terminals of a VM.
//!
//! The host's terminal only carries finished input and unprocessed output (`agentos_kernel::tty` says how). It is nobody's
//! controlling terminal, so the host sends no signals for it and stops nobody; its attributes are set here and asked of the VM.

use crate::pipe::{End, Reactor, host_error, poll_now, read, write};
use crate::sys;
use crate::vm::Shared;
use agentos_kernel::fd::{AccessMode, IoResult};
use agentos_kernel::tty::{HostMode, HostTty, Queue};
use agentos_kernel::{Errno, Result};
use parking_lot::Mutex;
use std::any::Any;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Arc, Weak};
use std::task::Waker;

/// A terminal of the host. Both descriptors of the master never wait.
pub(crate) struct NativeTty {
    /// The master, watched for output.
    master: End,
    /// The same, watched for room.
    room: End,
    /// The kernel's own slave.
    own: Mutex<Option<End>>,
    /// What slaves are on the host: device and inode.
    identity: (u64, u64),
    /// Who hands signals to the guests.
    vm: Mutex<Weak<Shared>>,
    reactor: &'static Reactor,
}

/// Opens a slave of the master that it is asked of, whatever name that has.
const TIOCGPTPEER: libc::c_ulong = 0x5441;
const TIOCSPTLCK: libc::c_ulong = 0x4004_5431;

impl NativeTty {
    pub(crate) fn new() -> Result<Arc<Self>> {
        let reactor = Reactor::get().ok_or(Errno::EAGAIN)?;
        let make = || -> io::Result<Self> {
            let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_CLOEXEC;
            // SAFETY: the path is a C string.
            let master = sys::check(unsafe { libc::open(c"/dev/ptmx".as_ptr(), flags) }.into())?;
            // SAFETY: the call made it.
            let master = unsafe { OwnedFd::from_raw_fd(i32::try_from(master).unwrap_or(-1)) };
            let unlocked = 0i32;
            // SAFETY: the request reads one number.
            sys::check(unsafe { libc::ioctl(master.as_raw_fd(), TIOCSPTLCK, &raw const unlocked) }.into())?;
            let stat = sys::stat_fd(peer(&master, libc::O_RDWR)?.as_fd(), c"")?;
            Ok(Self {
                room: reactor.watch(master.try_clone()?)?,
                master: reactor.watch(master)?,
                own: Mutex::default(),
                identity: (stat.st_dev, stat.st_ino),
                vm: Mutex::default(),
                reactor,
            })
        };
        make().map(Arc::new).map_err(|error| host_error(&error))
    }

    /// What slaves are on the host: device and inode.
    pub(crate) fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// Says who hands signals to the guests now.
    pub(crate) fn serve(&self, vm: &Arc<Shared>) {
        *self.vm.lock() = Arc::downgrade(vm);
    }

    /// A slave for a guest, which waits unless it is told not to.
    pub(crate) fn open(&self, access: AccessMode, nonblocking: bool) -> io::Result<OwnedFd> {
        let access = match (access.contains(AccessMode::READ), access.contains(AccessMode::WRITE)) {
            (true, true) => libc::O_RDWR,
            (_, true) => libc::O_WRONLY,
            _ => libc::O_RDONLY,
        };
        peer(&self.master.fd, access | if nonblocking { libc::O_NONBLOCK } else { 0 })
    }
}

fn peer(master: &OwnedFd, flags: i32) -> io::Result<OwnedFd> {
    let flags = flags | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the request takes flags by value and makes a descriptor.
    let fd = sys::check(unsafe { libc::ioctl(master.as_raw_fd(), TIOCGPTPEER, flags) }.into())?;
    // SAFETY: the call made it.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) })
}

impl HostTty for NativeTty {
    fn take_output(&self, buf: &mut [u8]) -> usize {
        // Without a slave the host says EIO once everything was read.
        read(&self.master.fd, buf).unwrap_or(0)
    }

    fn put_input(&self, data: &[u8]) -> usize {
        write(&self.master.fd, data).unwrap_or(0)
    }

    fn set_mode(&self, mode: HostMode) {
        // What was typed before is taken in as it was meant: asking makes the host do so.
        let _ = self.has_input();
        // SAFETY: zeros are a valid value.
        let mut termios = unsafe { std::mem::zeroed::<libc::termios>() };
        termios.c_cflag = libc::CS8 | libc::CREAD | libc::B38400;
        if mode.canonical {
            termios.c_lflag = libc::ICANON | libc::IEXTEN;
            termios.c_cc[libc::VEOF] = HostMode::END;
            termios.c_cc[libc::VLNEXT] = HostMode::LITERAL;
        } else {
            termios.c_cc[libc::VMIN] = mode.min;
            termios.c_cc[libc::VTIME] = mode.time;
        }
        // SAFETY: the attributes are readable. Asked of a master the host sets them for its slaves.
        unsafe { libc::tcsetattr(self.master.fd.as_raw_fd(), libc::TCSANOW, &raw const termios) };
    }

    fn flush(&self, queue: Queue) {
        if queue != Queue::Output
            && let Ok(slave) = peer(&self.master.fd, libc::O_RDWR | libc::O_NONBLOCK)
        {
            // What is on its way counts as typed.
            let _ = poll_now(&slave, libc::POLLIN);
            // SAFETY: takes numbers alone.
            unsafe { libc::tcflush(slave.as_raw_fd(), libc::TCIFLUSH) };
        }
        if queue != Queue::Input {
            let mut buf = [0; 4096];
            // No more than the host holds: a program that prints on and on would never let this end.
            for _ in 0..32 {
                if self.take_output(&mut buf) == 0 {
                    break;
                }
            }
        }
    }

    fn read_input(&self, buf: &mut [u8]) -> Option<usize> {
        let own = self.own.lock();
        let Some(end) = &*own else { return Some(0) };
        match read(&end.fd, buf) {
            Ok(count) => Some(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(_) => Some(0),
        }
    }

    fn has_input(&self) -> bool {
        let own = self.own.lock();
        own.as_ref()
            .is_some_and(|end| poll_now(&end.fd, libc::POLLIN) & libc::POLLIN != 0)
    }

    fn available(&self) -> usize {
        let own = self.own.lock();
        let Some(end) = &*own else { return 0 };
        // What is on its way counts as there.
        let _ = poll_now(&end.fd, libc::POLLIN);
        let mut count = 0;
        // SAFETY: the request writes one number.
        unsafe { libc::ioctl(end.fd.as_raw_fd(), libc::FIONREAD, &raw mut count) };
        usize::try_from(count).unwrap_or(0)
    }

    fn is_held(&self) -> bool {
        poll_now(&self.master.fd, libc::POLLIN) & libc::POLLHUP == 0
    }

    fn hold(&self, slaves: bool) {
        let mut own = self.own.lock();
        let gone = match slaves {
            true => {
                if own.is_none() {
                    let slave = peer(&self.master.fd, libc::O_RDWR | libc::O_NONBLOCK);
                    *own = slave.and_then(|slave| self.reactor.watch(slave)).ok();
                }
                None
            }
            false => own.take(),
        };
        drop(own);
        if let Some(end) = gone {
            self.reactor.forget(&end);
        }
    }

    fn wait_output(&self, waker: &Waker) {
        let _: IoResult<()> = self.reactor.wait(&self.master, libc::EPOLLIN, Some(waker));
    }

    fn wait_room(&self, waker: &Waker) {
        let _: IoResult<()> = self.reactor.wait(&self.room, libc::EPOLLOUT, Some(waker));
    }

    fn wait_input(&self, waker: &Waker) {
        let own = self.own.lock();
        if let Some(end) = &*own {
            let _: IoResult<()> = self.reactor.wait(end, libc::EPOLLIN, Some(waker));
        }
    }

    fn after_signals(&self, waker: &Waker) {
        let vm = self.vm.lock().upgrade();
        match vm {
            Some(vm) => vm.after_signals(waker.clone()),
            None => waker.wake_by_ref(),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for NativeTty {
    fn drop(&mut self) {
        self.hold(false);
        self.reactor.forget(&self.master);
        self.reactor.forget(&self.room);
    }
}
