//! Copying both ways until both sides have said everything.

use super::Options;
use crate::io::BLOCK;
use crate::net::wire::Stream;
use std::borrow::Cow;
use std::io::{self, Read, Write};

#[cfg(target_os = "wasi")]
pub(super) fn run(o: &Options, stream: Stream) -> io::Result<()> {
    use std::fs::File;
    use std::io::IsTerminal;
    use std::os::fd::AsFd;
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let relay = Relay {
        // Who answers one client after the other is done with one that says no more, and nobody waits for a person to end
        // a line for somebody who has gone. Everything else that was given to be sent is sent.
        outlasts: !(o.listen && o.keep) && !input.is_terminal(),
        crlf: o.crlf,
        quit: o.quit,
        datagrams: stream.is_datagram(),
        idle: o.timeout,
        input: (!o.detach).then_some(input),
        stream,
        heard_all: false,
        pending: Vec::new(),
        buffer: vec![0; BLOCK],
    };
    relay.run()
}

/// Both directions at once. Neither waits for the other: what cannot be sent yet is kept (one block, no more is read
/// before it went out) while what arrives is printed, so that two sides that both send much never wait for each other.
#[cfg(target_os = "wasi")]
struct Relay {
    stream: Stream,
    /// Standard input, until it ended.
    input: Option<std::fs::File>,
    /// What was read of the input and not sent yet.
    pending: Vec<u8>,
    /// The other side has ended its direction.
    heard_all: bool,
    /// Goes on sending after that.
    outlasts: bool,
    datagrams: bool,
    crlf: bool,
    quit: Option<std::time::Duration>,
    idle: Option<std::time::Duration>,
    buffer: Vec<u8>,
}

#[cfg(target_os = "wasi")]
impl Relay {
    fn run(mut self) -> io::Result<()> {
        use agentos_guest::fd::{self, POLLERR, POLLHUP, POLLIN, POLLOUT, Source};
        use std::os::fd::{AsFd, AsRawFd};
        let number = self.stream.as_fd().as_raw_fd() as u32;
        fd::set_nonblock(number, true)?;
        loop {
            let sending = !self.pending.is_empty();
            if self.heard_all && !sending && (self.input.is_none() || !self.outlasts) {
                return Ok(());
            }
            let hear = if self.heard_all { 0 } else { POLLIN };
            let send = if sending { POLLOUT } else { 0 };
            let mut sources = vec![Source::Fd(number, hear | send)];
            if let (false, Some(input)) = (sending, &self.input) {
                sources.push(Source::Fd(input.as_raw_fd() as u32, POLLIN));
            }
            let ready = fd::poll(&sources, self.idle)?;
            let over = POLLHUP | POLLERR;
            match ready[0] {
                0 if ready.iter().all(|bits| *bits == 0) => return Ok(()),
                bits if !self.heard_all && bits & (POLLIN | over) != 0 => self.hear()?,
                // Both directions have ended, or the connection broke: nothing can be sent any more.
                bits if bits & over != 0 && !sending => return Ok(()),
                _ => {}
            }
            if ready[0] & (POLLOUT | over) != 0 && sending {
                self.send()?;
            }
            if ready.get(1).is_some_and(|bits| *bits != 0) {
                self.read()?;
            }
        }
    }

    /// Prints what arrived.
    fn hear(&mut self) -> io::Result<()> {
        let count = match self.stream.read(&mut self.buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            read => read?,
        };
        self.heard_all = count == 0 && !self.datagrams;
        let mut out = io::stdout().lock();
        out.write_all(&self.buffer[..count])?;
        out.flush()
    }

    /// Sends what it can of what is pending.
    fn send(&mut self) -> io::Result<()> {
        match self.stream.write(&self.pending) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            sent => {
                self.pending.drain(..sent?);
                Ok(())
            }
        }
    }

    /// Reads a block of the input, or sees its end.
    fn read(&mut self) -> io::Result<()> {
        let Some(input) = &mut self.input else { return Ok(()) };
        let count = input.read(&mut self.buffer)?;
        if count == 0 {
            self.input = None;
            self.stream.shut_down_writing();
            self.idle = self.quit.or(self.idle);
            return Ok(());
        }
        self.pending.extend_from_slice(&lines(self.crlf, &self.buffer[..count]));
        self.send()
    }
}

#[cfg(not(target_os = "wasi"))]
pub(super) fn run(o: &Options, mut stream: Stream) -> io::Result<()> {
    let mut buffer = vec![0; BLOCK];
    if !o.detach {
        let mut sink = stream.try_clone()?;
        let crlf = o.crlf;
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = io::stdin().lock().read_to_end(&mut text);
            let _ = sink.write_all(&lines(crlf, &text));
            sink.shut_down_writing();
        });
    }
    let mut out = io::stdout().lock();
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 && !stream.is_datagram() {
            return Ok(());
        }
        out.write_all(&buffer[..count])?;
        out.flush()?;
    }
}

/// What goes out: with `-C`, a carriage return before each newline that has none.
fn lines(crlf: bool, bytes: &[u8]) -> Cow<'_, [u8]> {
    if !crlf {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len() + 16);
    let mut last = 0;
    for byte in bytes {
        if *byte == b'\n' && last != b'\r' {
            out.push(b'\r');
        }
        out.push(*byte);
        last = *byte;
    }
    Cow::Owned(out)
}
