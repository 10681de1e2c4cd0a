//! Terminals that native programs hold too.
//!
//! A native program needs a descriptor of the host. From the moment it is given one, a terminal of the host carries the bytes between
//! the discipline and whoever reads and writes:
//!
//! ```text
//!   Master ----> discipline: edit, echo, signals ----> host's terminal ----> native programs, and the kernel's slaves
//!   Master <---- discipline: OPOST, columns <--------- host's terminal <---- native programs
//!                                           <---- the kernel's slaves
//! ```
//!
//! The discipline stays the VM's: what a key does, what is echoed, which group gets a signal is decided in one place for every kind
//! of program, and the host's terminal neither edits nor echoes nor signals. It only keeps finished input, line by line, so that
//! whoever reads first gets the line, exactly once, whichever kind of program it is. What native programs have printed is
//! collected before anything else is done to the terminal, so the order on the screen is the order of the writes.

use super::LINE_MAX;
use super::discipline::Discipline;
use super::termios::{Control, Queue, Termios};
use core::any::Any;
use core::task::Waker;
use std::sync::Arc;

/// How the host's terminal hands input out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostMode {
    /// In lines, else in bytes.
    pub canonical: bool,
    /// Fewest bytes of a read of bytes (`VMIN`).
    pub min: u8,
    /// Tenths of a second that such a read waits (`VTIME`).
    pub time: u8,
}

impl HostMode {
    /// Ends a line without being read, as `VEOF` does.
    pub const END: u8 = 4;
    /// Takes the meaning from the byte that follows, as `VLNEXT` does.
    pub const LITERAL: u8 = 22;

    fn of(termios: &Termios) -> Self {
        Self {
            canonical: termios.canonical(),
            min: termios.char(Control::Min),
            time: termios.char(Control::Time),
        }
    }
}

/// A terminal of the host. Nothing here waits.
pub trait HostTty: Send + Sync + 'static {
    /// What native programs have written; 0 if nothing.
    fn take_output(&self, buf: &mut [u8]) -> usize;

    /// Queues finished input: bytes, or in lines those that end with a newline or [`HostMode::END`]. Fewer if there is no room.
    fn put_input(&self, data: &[u8]) -> usize;

    /// Sets how input is handed out.
    fn set_mode(&self, mode: HostMode);

    /// Throws away what is queued.
    fn flush(&self, queue: Queue);

    /// Reads as a slave; `None` if there is nothing.
    fn read_input(&self, buf: &mut [u8]) -> Option<usize>;

    /// Whether a slave would find something to read.
    fn has_input(&self) -> bool;

    /// Bytes that a slave could read at once.
    fn available(&self) -> usize;

    /// Whether anybody, the kernel included, has a slave open.
    fn is_held(&self) -> bool;

    /// Whether the kernel has slaves of its own: while it has, the host's terminal has one too.
    fn hold(&self, slaves: bool);

    /// Wakes `waker` once there is output or nobody holds a slave.
    fn wait_output(&self, waker: &Waker);

    /// Wakes `waker` once there may be room for input.
    fn wait_room(&self, waker: &Waker);

    /// Wakes `waker` once there is something to read as a slave.
    fn wait_input(&self, waker: &Waker);

    /// Wakes `waker` once every signal that the kernel has sent by now has reached the native programs.
    fn after_signals(&self, waker: &Waker);

    /// For whoever made it.
    fn as_any(&self) -> &dyn Any;
}

/// The host's terminal, and what is on its way.
pub(super) struct Hosted {
    pub(super) tty: Arc<dyn HostTty>,
    /// Exchanges when the host has something to say.
    pump: Waker,
    /// Ends one hold of the input.
    release: Waker,
    /// Signals that were typed and have not reached everybody: what was typed after them waits.
    holds: usize,
    mode: HostMode,
    /// Input in the host's form that found no room yet.
    typed: Vec<u8>,
    /// Output that the screen had no room for.
    printed: Vec<u8>,
}

/// Bytes that are collected at once.
const CHUNK: usize = 4096;

impl Hosted {
    pub(super) fn new(tty: Arc<dyn HostTty>, [pump, release]: [Waker; 2], termios: &Termios) -> Self {
        let mode = HostMode::of(termios);
        tty.set_mode(mode);
        Self {
            tty,
            pump,
            release,
            holds: 0,
            mode,
            typed: Vec::new(),
            printed: Vec::new(),
        }
    }

    /// Puts on the screen what native programs have printed, as far as it has room.
    /// Says whether there was anything.
    pub(super) fn collect(&mut self, discipline: &mut Discipline) -> bool {
        let mut buf = [0; CHUNK];
        let mut any = false;
        loop {
            if !self.printed.is_empty() {
                let taken = discipline.transmit(&self.printed);
                any |= taken > 0;
                self.printed.drain(..taken);
                if !self.printed.is_empty() {
                    return any;
                }
            }
            if !discipline.can_transmit() {
                return any;
            }
            let count = self.tty.take_output(&mut buf);
            if count == 0 {
                return any;
            }
            self.printed.extend_from_slice(buf.get(..count).unwrap_or_default());
        }
    }

    /// Hands over the input that may be read, as far as the host has room.
    /// Says whether there is more room for what is typed now.
    pub(super) fn deliver(&mut self, discipline: &mut Discipline) -> bool {
        let mut any = false;
        while self.holds == 0 {
            if !self.typed.is_empty() {
                let taken = self.tty.put_input(&self.typed);
                self.typed.drain(..taken.min(self.typed.len()));
                if !self.typed.is_empty() {
                    // Without a slave nothing will be read, and the host would say so again and again.
                    if self.tty.is_held() {
                        self.tty.wait_room(&self.pump);
                    }
                    break;
                }
            }
            let mut buf = [0; LINE_MAX];
            let taken = match self.mode.canonical {
                true => discipline.read_line(&mut buf),
                false => Some(discipline.read_bytes(&mut buf)).filter(|count| *count > 0),
            };
            let Some(count) = taken else { break };
            any = true;
            let data = buf.get(..count).unwrap_or_default();
            match self.mode.canonical {
                true => encode_line(data, &mut self.typed),
                false => self.typed.extend_from_slice(data),
            }
        }
        any
    }

    /// Keeps what is typed from now on back until the signals that are about to be sent have reached everybody: whoever reads it has
    /// the signal already, as if one kernel did both. What is returned is to be asked for that, and told whom to wake.
    pub(super) fn hold(&mut self) -> (Arc<dyn HostTty>, Waker) {
        self.holds += 1;
        (Arc::clone(&self.tty), self.release.clone())
    }

    /// Ends one hold.
    pub(super) fn release(&mut self) {
        self.holds = self.holds.saturating_sub(1);
    }

    /// Asks to be told of output.
    pub(super) fn wait(&self) {
        // What the screen has no room for is there already; the host would say so again and again.
        if self.printed.is_empty() {
            self.tty.wait_output(&self.pump);
        }
    }

    /// Follows a change of attributes.
    pub(super) fn follow(&mut self, termios: &Termios) {
        let mode = HostMode::of(termios);
        if mode != self.mode {
            self.mode = mode;
            self.tty.set_mode(mode);
        }
    }

    /// Throws away what is queued.
    pub(super) fn flush(&mut self, queue: Queue) {
        if queue != Queue::Output {
            self.typed.clear();
        }
        if queue != Queue::Input {
            self.printed.clear();
        }
        self.tty.flush(queue);
    }
}

/// A line as the host's terminal takes it: only its last byte ends it.
fn encode_line(line: &[u8], to: &mut Vec<u8>) {
    let (body, end) = match line.split_last() {
        Some((b'\n', body)) => (body, b'\n'),
        _ => (line, HostMode::END),
    };
    for byte in body {
        if matches!(*byte, b'\n' | HostMode::END | HostMode::LITERAL) {
            to.push(HostMode::LITERAL);
        }
        to.push(*byte);
    }
    to.push(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_once_and_its_bytes_mean_nothing() {
        let encode = |line: &[u8]| {
            let mut to = Vec::new();
            encode_line(line, &mut to);
            to
        };
        assert_eq!(encode(b"ab\n"), b"ab\n");
        assert_eq!(encode(b""), [4]);
        assert_eq!(encode(b"ab"), [b'a', b'b', 4]);
        assert_eq!(encode(b"a\nb\x04c\x16\n"), b"a\x16\nb\x16\x04c\x16\x16\n");
    }
}
