//! A listener: a pipe whose reading end the guest has, and which holds a byte while a connection waits.
//!
//! A pipe, because the supervisor can empty it without holding the guest's end, and learns when the last guest has closed it.

use super::bridge::{Side, Turn};
use crate::sys;
use agentos_kernel::fd::{File, PollEvents};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

pub(crate) struct Pending {
    writer: OwnedFd,
    rung: bool,
}

impl Pending {
    /// The guest's descriptor, and what stands behind it.
    pub(super) fn new() -> io::Result<(OwnedFd, Self)> {
        let (reader, writer) = sys::pipe()?;
        Ok((reader, Self { writer, rung: false }))
    }

    pub(super) fn end(&self) -> &OwnedFd {
        &self.writer
    }

    pub(super) fn run(&mut self, side: &Side<'_>) -> Turn {
        if sys::poll_now(self.writer.as_fd(), 0) & libc::POLLERR != 0 {
            return Turn::Gone;
        }
        self.refresh(side);
        Turn::Waits
    }

    /// Makes the guest's descriptor readable or not. Each connection that comes is an event of its own.
    fn refresh(&mut self, side: &Side<'_>) {
        let ready = side.socket.poll(PollEvents::IN, Some(side.waker));
        if !ready.is_empty() {
            sys::ring(self.writer.as_fd());
            self.rung = true;
        } else if self.rung && sys::drain_pipe(self.writer.as_fd()).is_ok() {
            self.rung = false;
        }
    }

    /// A connection was taken: perhaps it was the last.
    pub(super) fn taken(&mut self, side: &Side<'_>) {
        let ready = side.socket.poll(PollEvents::IN, Some(side.waker));
        if ready.is_empty() && self.rung && sys::drain_pipe(self.writer.as_fd()).is_ok() {
            self.rung = false;
        }
    }
}
