//! Terminals that guests make (`/dev/ptmx`): the master's side.
//!
//! The terminal is the VM's as every other. What the guest holds as its master is one end of a connection, because a master of the
//! host would be the host's terminal and not the VM's; a thread carries bytes between the other end and the VM's master. Nobody
//! shares a master, so that what it reads ahead is nobody else's. Two things show: once nobody holds a slave the guest reads the end
//! of the stream where Linux says `EIO`, and slaves that are opened after that are not heard any more.

use super::Vm;
use crate::calls::Fail;
use crate::pipe::{End, Reactor, read, write};
use crate::sys;
use agentos_kernel::fd::{IoResult, OpenFile, StatusFlags};
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread::Thread;

/// Bytes that are carried at once.
const CHUNK: usize = 4096;

impl Vm {
    /// The end of a guest for a master that it has opened.
    pub(super) fn master(&mut self, file: &Arc<OpenFile>) -> Result<OwnedFd, Fail> {
        let reactor = Reactor::get().ok_or(Fail(libc::EAGAIN))?;
        let (theirs, ours) = UnixStream::pair()?;
        theirs.set_nonblocking(file.flags().contains(StatusFlags::NONBLOCK))?;
        ours.set_nonblocking(true)?;
        let stat = sys::stat_fd(theirs.as_fd(), c"")?;
        let carrier = Carrier {
            room: reactor.watch(ours.try_clone()?.into())?,
            end: reactor.watch(ours.try_clone()?.into())?,
            stream: ours,
            reactor,
            master: Arc::clone(file),
            typed: Vec::new(),
            printed: Vec::new(),
            silent: false,
        };
        std::thread::Builder::new()
            .name("agentos-master".into())
            .spawn(move || carrier.run())?;
        self.terminals.add_master((stat.st_dev, stat.st_ino), file);
        Ok(theirs.into())
    }
}

/// Carries bytes between a guest's end and the master.
struct Carrier {
    /// Ours, watched for bytes of the guest.
    end: End,
    /// The same, watched for room.
    room: End,
    stream: UnixStream,
    reactor: &'static Reactor,
    master: Arc<OpenFile>,
    /// What the guest has written and the master has not taken.
    typed: Vec<u8>,
    /// What the master has given and the guest has not taken.
    printed: Vec<u8>,
    /// Nothing more comes from the terminal.
    silent: bool,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Carrier {
    /// Until the guest has closed its end.
    fn run(mut self) {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        while self.take_typed(&waker) {
            if self.give_printed(&waker) {
                std::thread::park();
            }
        }
        self.reactor.forget(&self.end);
        self.reactor.forget(&self.room);
    }

    /// From the guest to the master; `false` at the end.
    fn take_typed(&mut self, waker: &Waker) -> bool {
        loop {
            if self.typed.is_empty() {
                let mut buf = [0; CHUNK];
                match read(&self.end.fd, &mut buf) {
                    Ok(0) => return false,
                    Ok(count) => self.typed.extend_from_slice(buf.get(..count).unwrap_or_default()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        let waits: IoResult<()> = self.reactor.wait(&self.end, libc::EPOLLIN, Some(waker));
                        return waits.is_pending();
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(_) => return false,
                }
            }
            match self.master.write(&self.typed, Some(waker)) {
                Poll::Ready(Ok(count)) => drop(self.typed.drain(..count)),
                // Without a slave nobody reads what is typed.
                Poll::Ready(Err(_)) => self.typed.clear(),
                // That the guest goes away in the meantime must be noticed.
                Poll::Pending => {
                    let waits: IoResult<()> = self.reactor.wait(&self.end, 0, Some(waker));
                    return waits.is_pending();
                }
            }
        }
    }

    /// From the master to the guest, until one of them has to be waited for.
    fn give_printed(&mut self, waker: &Waker) -> bool {
        while !self.silent {
            if self.printed.is_empty() {
                let mut buf = [0; CHUNK];
                match self.master.read(&mut buf, Some(waker)) {
                    Poll::Ready(Ok(count)) => self.printed.extend_from_slice(buf.get(..count).unwrap_or_default()),
                    Poll::Ready(Err(_)) => {
                        self.silent = true;
                        let _ = self.stream.shutdown(Shutdown::Write);
                    }
                    Poll::Pending => return true,
                }
                continue;
            }
            match write(&self.end.fd, &self.printed) {
                Ok(count) => drop(self.printed.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let _: IoResult<()> = self.reactor.wait(&self.room, libc::EPOLLOUT, Some(waker));
                    return true;
                }
                // The guest has gone; reading says so.
                Err(_) => self.silent = true,
            }
        }
        true
    }
}
