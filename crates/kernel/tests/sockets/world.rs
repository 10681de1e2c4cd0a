//! Calls that both sides understand, and their answers in comparable form.

use agentos_kernel::errno::Errno;
use agentos_kernel::fd::PollEvents;
use agentos_kernel::net::{Domain, Kind};

/// A number of a socket in a script.
pub type Slot = usize;

/// What a script can name: unix files, abstract names, or ports of the loopback address.
pub type Name = usize;

/// Names that a script has.
pub const NAMES: usize = 3;

/// A step of a script. Nothing ever waits.
#[derive(Debug, Clone)]
pub enum Call {
    Socket(Domain, Kind),
    Pair(Kind),
    Bind(Slot, Name),
    Listen(Slot, u32),
    Connect(Slot, Name),
    Accept(Slot),
    Send(Slot, usize),
    SendTo(Slot, Name, usize),
    Receive(Slot, usize, bool),
    ShutRead(Slot),
    ShutWrite(Slot),
    ShutBoth(Slot),
    Poll(Slot),
    Error(Slot),
    Peer(Slot),
    Own(Slot),
    Available(Slot),
    Close(Slot),
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Done,
    Count(usize),
    Data(Vec<u8>, Option<Option<Name>>),
    Events(PollEvents),
    Named(Option<Name>),
    Pending(Option<Errno>),
    Failed(Errno),
    /// There is no socket in the slot.
    Absent,
}

/// Something that has sockets.
pub trait World {
    /// Runs one call.
    fn call(&mut self, call: &Call) -> Answer;
}

/// Bytes that a send carries: depends on its length alone, so that both sides send the same.
pub fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + len) as u8).collect()
}

/// Conditions that the comparison asks for.
pub fn all_events() -> PollEvents {
    PollEvents::IN | PollEvents::OUT | PollEvents::RDHUP | PollEvents::ERR | PollEvents::HUP
}
