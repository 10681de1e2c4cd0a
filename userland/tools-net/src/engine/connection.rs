//! A connection: bytes in and out, with or without TLS, waiting only through [`Control`].

use super::control::Control;
use super::failure::{Exit, Failure, Result};
use super::sys::{Interest, Socket};
use super::tls;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

/// An open connection.
pub(super) struct Connection {
    socket: Socket,
    tls: Option<Box<Tls>>,
    /// The peer's address; none for a Unix socket.
    pub(super) remote: Option<SocketAddr>,
    /// The own address.
    pub(super) local: Option<SocketAddr>,
    /// Its number among those that this program opened.
    pub(super) number: u64,
}

struct Tls {
    state: ClientConnection,
    /// Records that were received and not read yet. Receiving a lot at once is what saves system calls.
    raw: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Connection {
    /// Wraps a connected socket.
    pub(super) fn new(socket: Socket, number: u64) -> Self {
        Self {
            remote: socket.address(true),
            local: socket.address(false),
            socket,
            tls: None,
            number,
        }
    }

    /// Agrees on TLS with the server of that name.
    pub(super) fn secure(&mut self, config: Arc<ClientConfig>, host: &str, control: &mut Control) -> Result<()> {
        let name = ServerName::try_from(host.trim_end_matches('.').to_owned()).map_err(|_| {
            Failure::new(
                Exit::TlsConnect,
                format!("TLS connect error: no such server name: {host}"),
            )
        })?;
        let mut state = ClientConnection::new(config, name).map_err(|error| tls::handshake_failure(&error, host))?;
        state.set_buffer_limit(Some(TLS_BUFFER));
        let mut tls = Box::new(Tls {
            state,
            raw: vec![0; TLS_BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
        });
        while tls.state.is_handshaking() || tls.state.wants_write() {
            let (mut read, mut write) = (false, false);
            if tls.state.wants_write() {
                write = would_block(tls.flush(&self.socket))
                    .map_err(|error| lost(&error))?
                    .is_none();
            } else {
                match would_block(tls.receive(&self.socket)) {
                    Ok(Some(true)) => {}
                    Ok(None) => read = true,
                    Ok(Some(false)) => return Err(lost(&io::ErrorKind::UnexpectedEof.into())),
                    Err(error) => {
                        let _ = tls.flush(&self.socket);
                        return Err(match tls_error(&error) {
                            Some(problem) => tls::handshake_failure(problem, host),
                            None => lost(&error),
                        });
                    }
                }
            }
            if read || write {
                control.wait(&mut [Interest::new(self.socket.fd(), read, write)])?;
            }
        }
        self.tls = Some(tls);
        Ok(())
    }

    /// The application protocol that was agreed on.
    pub(super) fn protocol(&self) -> Option<&[u8]> {
        self.tls.as_ref().and_then(|tls| tls.state.alpn_protocol())
    }

    /// Version and suite of TLS, in curl's words.
    pub(super) fn tls_summary(&self) -> Option<String> {
        let tls = self.tls.as_ref()?;
        let version = match tls.state.protocol_version()? {
            rustls::ProtocolVersion::TLSv1_3 => "TLSv1.3",
            _ => "TLSv1.2",
        };
        let suite = tls.state.negotiated_cipher_suite()?.suite();
        let name = suite.as_str().unwrap_or("?").replace("TLS13_", "TLS_");
        Some(format!("{version} / {name}"))
    }

    /// Reads what is there; `WouldBlock` when nothing is.
    pub(super) fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.recv(buf);
        };
        loop {
            match tls.state.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            tls.receive(&self.socket)?;
            if tls.state.wants_write() {
                // Answers to key updates; what does not fit goes with the next write.
                would_block(tls.flush(&self.socket))?;
            }
        }
    }

    /// Writes what fits; `WouldBlock` when nothing does.
    pub(super) fn try_write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.send(buf);
        };
        if tls.state.wants_write() {
            tls.flush(&self.socket)?;
        }
        let taken = tls.state.writer().write(buf)?;
        would_block(tls.flush(&self.socket))?;
        Ok(taken)
    }

    /// Sends what TLS holds back; `WouldBlock` when it does not fit.
    pub(super) fn try_flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) if tls.state.wants_write() => tls.flush(&self.socket),
            _ => Ok(()),
        }
    }

    /// Waits until it can be read or written.
    pub(super) fn ready(&self, read: bool, write: bool) -> Interest<'_> {
        Interest::new(self.socket.fd(), read, write)
    }

    /// Reads at least a byte; 0 at the end.
    pub(super) fn read(&mut self, buf: &mut [u8], control: &mut Control) -> Result<usize> {
        loop {
            match would_block(self.try_read(buf)).map_err(|error| receive_failure(&error))? {
                Some(count) => return Ok(count),
                None => control.wait(&mut [self.ready(true, false)])?,
            }
        }
    }

    /// Writes all.
    pub(super) fn write_all(&mut self, mut bytes: &[u8], control: &mut Control) -> Result<()> {
        while !bytes.is_empty() {
            match would_block(self.try_write(bytes)).map_err(|error| Failure::send(&error))? {
                Some(count) => bytes = bytes.get(count..).unwrap_or_default(),
                None => control.wait(&mut [self.ready(false, true)])?,
            }
        }
        while would_block(self.try_flush())
            .map_err(|error| Failure::send(&error))?
            .is_none()
        {
            control.wait(&mut [self.ready(false, true)])?;
        }
        Ok(())
    }

    /// Whether an idle connection can serve again: nothing came, and it was not closed.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        matches!(self.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl Tls {
    /// Takes records from the socket; false at its end.
    fn receive(&mut self, socket: &Socket) -> io::Result<bool> {
        if self.start == self.end {
            self.end = socket.recv(&mut self.raw)?;
            self.start = 0;
        }
        let mut unread = self.raw.get(self.start..self.end).unwrap_or_default();
        let before = unread.len();
        let count = self.state.read_tls(&mut unread)?;
        self.start += before - unread.len();
        self.state
            .process_new_packets()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(count > 0)
    }

    fn flush(&mut self, socket: &Socket) -> io::Result<()> {
        struct Out<'a>(&'a Socket);
        impl Write for Out<'_> {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.0.send(buf)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        while self.state.wants_write() {
            self.state.write_tls(&mut Out(socket))?;
        }
        Ok(())
    }
}

/// `None` for what would have to wait.
pub(super) fn would_block<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// A failure while receiving.
pub(super) fn receive_failure(error: &io::Error) -> Failure {
    match tls_error(error) {
        Some(problem) => Failure::new(Exit::Receive, format!("TLS read error: {problem}")),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            Failure::new(Exit::Receive, "TLS read error: unexpected eof while reading")
        }
        None => Failure::receive(error),
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn lost(error: &io::Error) -> Failure {
    let text = match error.kind() {
        io::ErrorKind::UnexpectedEof => "unexpected eof while reading".to_owned(),
        _ => super::failure::reason(error),
    };
    Failure::new(Exit::TlsConnect, format!("TLS connect error: {text}"))
}

/// Bytes that TLS holds in either direction.
const TLS_BUFFER: usize = 64 * 1024;
