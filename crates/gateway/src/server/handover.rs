//! Passing the listening socket to a successor.
//!
//! Clients of some versions give up for good on a refused connection, so the port must never be without a listener. The
//! socket itself is handed from process to process, over a Unix socket in the file system:
//!
//! ```text
//!  predecessor                                   successor
//!  Offer::bind(path)
//!                <------------- connects -------- inherit(path)
//!  "agentos-handover 1", the listening socket --->
//!                <------------- "taken" ---------
//!  stops accepting, finishes, puts VMs to sleep   waits; new connections wait in the socket's queue
//!  Released::done(), or the process ends -------->
//!                                                 opens the data directory, serves, Offer::bind(path)
//! ```
//!
//! Only processes of the same user are listened to. A successor that goes away before it has answered changes nothing.

use std::io;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;
use tracing::{info, warn};

use super::listen::{bind, listening};
use crate::error::GatewayError;

const GREETING: &[u8; 19] = b"agentos-handover 1\n";
const TAKEN: &[u8; 6] = b"taken\n";
/// How long either side waits for the other's next word, the release aside.
const PATIENCE: Duration = Duration::from_secs(5);

/// A predecessor's readiness to hand over.
#[derive(Debug)]
pub struct Offer {
    socket: UnixListener,
    path: PathBuf,
}

/// A successor that has the listening socket and waits for the predecessor to let go of everything else.
#[derive(Debug)]
pub struct Successor(UnixStream);

/// A listening socket taken over, and the predecessor that still finishes.
#[derive(Debug)]
pub struct Inherited {
    /// The listening socket. Connections that arrive now wait in its queue.
    pub listener: TcpListener,
    predecessor: UnixStream,
}

impl Offer {
    /// Offers a handover at `path`, replacing a socket that is left there. The directory decides who can see it; the peer's
    /// user is checked in any case.
    ///
    /// # Errors
    /// The path cannot be bound, or holds something that is no socket.
    pub fn bind(path: &Path) -> Result<Self, GatewayError> {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt};
        let what = format!("cannot offer a handover at {}", path.display());
        let made = (|| {
            match std::fs::symlink_metadata(path) {
                Ok(metadata) if metadata.file_type().is_socket() => std::fs::remove_file(path)?,
                Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file is in the way")),
                Err(_) => {}
            }
            let socket = UnixListener::bind(path)?;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
            Ok(Self {
                socket,
                path: path.to_owned(),
            })
        })();
        made.map_err(GatewayError::socket(what))
    }

    /// Waits for a successor and gives it the listening socket. When this returns, the caller must stop accepting and
    /// finish; until then nothing has changed. Safe to drop and call again.
    pub async fn successor(&self, listener: &TcpListener) -> Successor {
        loop {
            let stream = match self.socket.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, "cannot accept a successor at the moment");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            match timeout(PATIENCE, give(stream, listener)).await {
                Ok(Ok(stream)) => {
                    info!("a successor has the listening socket");
                    return Successor(stream);
                }
                Ok(Err(error)) => warn!(%error, path = %self.path.display(), "a handover failed; nothing has changed"),
                Err(_) => warn!(path = %self.path.display(), "a successor did not answer; nothing has changed"),
            }
        }
    }
}

impl Successor {
    /// Says that nothing of this process stands in the successor's way any more. The end of the process says the same.
    pub async fn release(mut self) {
        let _ = timeout(PATIENCE, self.0.write_all(b"released\n")).await;
    }

    /// Leaves it to the end of the process to say so, when not even a lock of the operating system is held any more.
    pub fn release_at_exit(self) {
        // The descriptor is closed by the operating system, after everything else.
        std::mem::forget(self);
    }
}

/// Takes the listening socket of a predecessor that offers it at `path`. `None` if nobody does.
///
/// # Errors
/// Somebody does, but says something else, or is another user's process.
pub async fn inherit(path: &Path) -> Result<Option<Inherited>, GatewayError> {
    let what = format!("cannot take over at {}", path.display());
    let stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(GatewayError::socket(what)(error)),
    };
    let taken = match timeout(PATIENCE, take(stream)).await {
        Ok(taken) => taken,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer")),
    };
    let (descriptor, predecessor) = taken.map_err(GatewayError::socket(what.as_str()))?;
    Ok(Some(Inherited {
        listener: listening(descriptor, &what)?,
        predecessor,
    }))
}

/// The listening socket of a server, wherever it comes from: the first of `passed` (see [`inherited`](crate::inherited)),
/// the one of a predecessor that offers it at `path` and has let go of its data, or a new one at `address`.
///
/// # Errors
/// A predecessor that does not let go within `patience`, or whatever keeps the socket from being had.
pub async fn acquire(
    address: SocketAddr,
    passed: Vec<TcpListener>,
    path: Option<&Path>,
    patience: Duration,
) -> Result<TcpListener, GatewayError> {
    let taken = match path {
        Some(path) => inherit(path).await?,
        None => None,
    };
    if let Some(mut taken) = taken {
        if !taken.released(patience).await {
            return Err(GatewayError::config("handover", "the predecessor does not end"));
        }
        return Ok(taken.listener);
    }
    passed.into_iter().next().map_or_else(|| bind(address), Ok)
}

impl Inherited {
    /// Waits until the predecessor has let go of its data, at most `budget`. Returns whether it has.
    pub async fn released(&mut self, budget: Duration) -> bool {
        let mut word = [0; 16];
        // A word, the end of the stream and an error all say that the predecessor is done.
        timeout(budget, self.predecessor.read(&mut word)).await.is_ok()
    }
}

async fn give(stream: UnixStream, listener: &TcpListener) -> io::Result<UnixStream> {
    same_user(&stream)?;
    stream.writable().await?;
    stream.try_io(tokio::io::Interest::WRITABLE, || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [listener.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        let sent = sendmsg(&stream, &[IoSlice::new(GREETING)], &mut control, SendFlags::NOSIGNAL)?;
        // A fresh Unix socket takes this few bytes at once or not at all.
        if sent == GREETING.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    })?;
    let mut stream = stream;
    let mut answer = [0; TAKEN.len()];
    stream.read_exact(&mut answer).await?;
    if &answer != TAKEN {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a successor"));
    }
    Ok(stream)
}

async fn take(mut stream: UnixStream) -> io::Result<(std::os::fd::OwnedFd, UnixStream)> {
    same_user(&stream)?;
    let descriptor = loop {
        stream.readable().await?;
        match stream.try_io(tokio::io::Interest::READABLE, || receive(&stream)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            received => break received?,
        }
    };
    stream.write_all(TAKEN).await?;
    Ok((descriptor, stream))
}

fn receive(stream: &UnixStream) -> io::Result<std::os::fd::OwnedFd> {
    let mut greeting = [0; GREETING.len()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        stream,
        &mut [IoSliceMut::new(&mut greeting)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let descriptor = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    match descriptor {
        Some(descriptor) if received.bytes == GREETING.len() && &greeting == GREETING => Ok(descriptor),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not a predecessor of this version",
        )),
    }
}

fn same_user(stream: &UnixStream) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    if peer == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        "the process at the other end belongs to another user",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_changes_hands() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("handover.sock");
        assert!(inherit(&path).await.expect("nobody there").is_none());
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let offer = Offer::bind(&path).expect("an offer");
        let (successor, inherited) = tokio::join!(offer.successor(&listener), inherit(&path));
        drop(listener);
        let mut inherited = inherited.expect("taken").expect("somebody there");
        assert_eq!(inherited.listener.local_addr().expect("an address"), address);
        assert!(!inherited.released(Duration::from_millis(10)).await);
        successor.release().await;
        assert!(inherited.released(PATIENCE).await);
        // The old socket file is replaced by the successor's own.
        Offer::bind(&path).expect("the next offer");
    }

    #[tokio::test]
    async fn a_stranger_at_the_socket_changes_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("handover.sock");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let offer = Offer::bind(&path).expect("an offer");
        let stranger = async {
            let mut stream = UnixStream::connect(&path).await.expect("connects");
            stream.write_all(b"what?\n").await.expect("writes");
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all).await;
            inherit(&path).await.expect("taken").expect("somebody there")
        };
        let (_successor, inherited) = tokio::join!(offer.successor(&listener), stranger);
        assert_eq!(inherited.listener.local_addr().ok(), listener.local_addr().ok());
    }

    #[test]
    fn a_file_in_the_way_is_not_removed() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert!(Offer::bind(file.path()).is_err());
        assert!(file.path().exists());
    }
}
