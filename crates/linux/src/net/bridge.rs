//! One socket: the VM's, and what a guest has of it.

use super::cargo::Traffic;
use super::hints::Hints;
use super::packets::Packets;
use super::pending::Pending;
use super::routes::Routes;
use super::stream::Stream;
use agentos_kernel::fd::{File, OpenFile, PollEvents};
use agentos_kernel::net::{OptionName, OptionValue, Socket};
use parking_lot::Mutex;
use std::sync::Arc;
use std::task::Waker;

/// Device and inode of a descriptor.
pub(crate) type Key = (u64, u64);

/// A socket of the VM behind descriptors of guests.
pub(crate) struct Bridge {
    /// The VM's socket. Closed when this is dropped.
    pub(crate) file: Arc<OpenFile>,
    pub(super) token: u64,
    /// Wakes the thread that moves bytes.
    pub(super) waker: Waker,
    /// What the guests' descriptors are on the host.
    pub(super) keys: Mutex<Vec<Key>>,
    pub(crate) form: Mutex<Form>,
    pub(crate) traffic: Arc<Traffic>,
    /// Options that the VM's socket has not.
    pub(crate) hints: Mutex<Hints>,
}

/// What stands between.
pub(crate) enum Form {
    Stream(Stream),
    Packets(Packets),
    Pending(Pending),
    Routes(Routes),
    /// No guest has it any more, or the connection broke.
    Gone,
}

/// What is to be done after bytes were moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing until somebody wakes.
    Waits,
    /// There is more; others come first.
    Again,
    /// It is over.
    Gone,
}

/// What moving bytes needs of the socket.
pub(super) struct Side<'a> {
    pub(super) socket: &'a Socket,
    pub(super) waker: &'a Waker,
    pub(super) traffic: &'a Arc<Traffic>,
}

impl Side<'_> {
    /// Whether the peer has closed, so that nothing more is taken either.
    pub(super) fn is_over(&self) -> bool {
        self.socket.poll(PollEvents::empty(), None).contains(PollEvents::HUP)
    }

    /// Whether the guest asked for a reset when it closes.
    pub(super) fn is_abrupt(&self) -> bool {
        matches!(self.socket.option(OptionName::Linger), Ok(OptionValue::Linger(Some(0))))
    }
}

impl Bridge {
    /// The VM's socket.
    pub(crate) fn socket(&self) -> Option<&Socket> {
        self.file.object_as::<Socket>()
    }

    /// Moves what can be moved.
    pub(super) fn run(&self, scratch: &mut [u8]) -> Turn {
        let Some(socket) = self.socket() else { return Turn::Gone };
        let side = Side {
            socket,
            waker: &self.waker,
            traffic: &self.traffic,
        };
        let mut form = self.form.lock();
        let turn = match &mut *form {
            Form::Stream(stream) => stream.run(&side, scratch),
            Form::Packets(packets) => packets.run(&side, scratch),
            Form::Pending(pending) => pending.run(&side),
            Form::Routes(routes) => routes.run(scratch),
            Form::Gone => Turn::Gone,
        };
        if turn == Turn::Gone {
            *form = Form::Gone;
        }
        turn
    }

    /// A connection of a listener was taken.
    pub(crate) fn taken(&self) {
        if let (Some(socket), Form::Pending(pending)) = (self.socket(), &mut *self.form.lock()) {
            pending.taken(&Side {
                socket,
                waker: &self.waker,
                traffic: &self.traffic,
            });
        }
    }

    /// Has bytes moved soon.
    pub(crate) fn kick(&self) {
        self.waker.wake_by_ref();
    }
}
