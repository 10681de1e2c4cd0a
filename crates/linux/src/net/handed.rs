//! A socket of a guest that has become a program of another executor: its end of the pair, read and written for it.
//!
//! The host's description may be shared with guests, so its flags stay as they are and every call here says that it does not wait.

use crate::pipe::{End, Reactor, host_error};
use crate::sys;
use agentos_kernel::clock::Timestamp;
use agentos_kernel::fd::{File, IoResult, PollEvents};
use agentos_kernel::id::{Gid, Ino, Uid};
use agentos_kernel::vfs::{Attr, FileType, Mode};
use agentos_kernel::{Errno, Result};
use parking_lot::Mutex;
use std::any::Any;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::task::{Poll, Waker};

/// An end of a pair.
pub(crate) struct Handed {
    ends: Mutex<Option<Ends>>,
    reactor: &'static Reactor,
    number: u64,
}

/// Two descriptors of the one description, so that a reader and a writer wait for themselves.
struct Ends {
    reader: End,
    writer: End,
}

impl Handed {
    /// Takes over what a guest has open.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Arc<Self>> {
        let reactor = Reactor::get().ok_or_else(|| io::Error::from_raw_os_error(libc::EAGAIN))?;
        let number = sys::stat_fd(fd.as_fd(), c"")?.st_ino;
        let ends = Ends {
            reader: reactor.watch(sys::duplicate(fd.as_fd())?)?,
            writer: reactor.watch(fd)?,
        };
        Ok(Arc::new(Self {
            ends: Mutex::new(Some(ends)),
            reactor,
            number,
        }))
    }

    /// Another descriptor of the same description, for a guest.
    pub(crate) fn for_guest(&self) -> io::Result<OwnedFd> {
        let ends = self.ends.lock();
        let ends = ends.as_ref().ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))?;
        sys::duplicate(ends.reader.fd.as_fd())
    }
}

impl File for Handed {
    fn read(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        let ends = self.ends.lock();
        let Some(ends) = &*ends else {
            return Poll::Ready(Err(Errno::EBADF.into()));
        };
        match sys::receive(ends.reader.fd.as_fd(), buf, 0) {
            Ok(Some(found)) => Poll::Ready(Ok(found.count)),
            Ok(None) => self.reactor.wait(&ends.reader, libc::EPOLLIN, waker),
            Err(error) => Poll::Ready(Err(host_error(&error))),
        }
    }

    fn write(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        let ends = self.ends.lock();
        let Some(ends) = &*ends else {
            return Poll::Ready(Err(Errno::EBADF.into()));
        };
        match sys::send(ends.writer.fd.as_fd(), data) {
            Ok(Some(count)) => Poll::Ready(Ok(count)),
            Ok(None) => self.reactor.wait(&ends.writer, libc::EPOLLOUT, waker),
            Err(error) => Poll::Ready(Err(host_error(&error))),
        }
    }

    fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        const WANTED: i16 = libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP;
        let ends = self.ends.lock();
        let Some(ends) = &*ends else { return PollEvents::HUP };
        let events = sys::poll_now(ends.reader.fd.as_fd(), WANTED);
        let mut ready = PollEvents::empty();
        for (bit, event) in [
            (libc::POLLIN, PollEvents::IN),
            (libc::POLLOUT, PollEvents::OUT),
            (libc::POLLRDHUP, PollEvents::RDHUP),
            (libc::POLLHUP, PollEvents::HUP),
            (libc::POLLERR, PollEvents::ERR),
        ] {
            ready.set(event, events & bit != 0);
        }
        ready &= interest | PollEvents::HUP | PollEvents::ERR;
        if ready.is_empty() {
            if interest.intersects(PollEvents::IN | PollEvents::RDHUP) {
                let _: IoResult<()> = self.reactor.wait(&ends.reader, libc::EPOLLIN | libc::EPOLLRDHUP, waker);
            }
            if interest.contains(PollEvents::OUT) {
                let _: IoResult<()> = self.reactor.wait(&ends.writer, libc::EPOLLOUT, waker);
            }
        }
        ready
    }

    fn stat(&self) -> Result<Attr> {
        Ok(Attr {
            ino: Ino(self.number),
            kind: FileType::Socket,
            mode: Mode::new(0o777),
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

    fn close(&self) {
        let ends = self.ends.lock().take();
        for end in ends.into_iter().flat_map(|ends| [ends.reader, ends.writer]) {
            self.reactor.forget(&end);
        }
    }

    fn describe(&self) -> String {
        format!("socket:[{}]", self.number)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        self.close();
    }
}
