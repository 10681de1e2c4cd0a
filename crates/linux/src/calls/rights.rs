//! Control messages (`cmsg(3)`): descriptors that go along with the bytes of unix sockets (`SCM_RIGHTS`).
//!
//! On streams and sequences, which are pairs of the host, the host sends and receives them, and here it is only looked whether they may
//! go. Of datagrams, whose senders have names, each message is taken apart and put together here.

use super::{Call, Fail};
use crate::net::{Bridge, Descriptors};
use crate::sys;
use agentos_kernel::fd::{File, PollEvents};
use agentos_kernel::net::Domain;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::Poll;

/// Bytes of `struct cmsghdr`.
const HEAD: usize = 16;
/// Most bytes of control messages, more than the descriptors of a message need; then `ENOBUFS`.
const CONTROL_MAX: u64 = 8192;
/// Most descriptors of a message, as the host has it; then `EINVAL`.
const DESCRIPTORS_MAX: usize = 253;

/// The numbers of the descriptors that a message is sent with. Nothing else can go along.
fn numbers(call: &Call<'_>, bridge: &Bridge, control: (u64, u64)) -> Result<Vec<i32>, Fail> {
    let (at, len) = control;
    if len == 0 {
        return Ok(Vec::new());
    }
    if bridge.socket().is_none_or(|socket| socket.domain() != Domain::Unix) {
        return Err(Fail(libc::EOPNOTSUPP));
    }
    if len > CONTROL_MAX {
        return Err(Fail(libc::ENOBUFS));
    }
    let mut bytes = vec![0; len as usize];
    call.read(at, &mut bytes)?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<Vec<i32>, Fail> {
    let mut fds = Vec::new();
    let mut rest = bytes;
    while rest.len() >= HEAD {
        let word = |at: usize| {
            let word = rest.get(at..).and_then(|bytes| bytes.first_chunk::<4>());
            word.map_or(0, |word| i32::from_ne_bytes(*word))
        };
        let len = rest.first_chunk::<8>().map_or(0, |word| u64::from_ne_bytes(*word));
        let len = usize::try_from(len)
            .ok()
            .filter(|len| (HEAD..=rest.len()).contains(len));
        let len = len.ok_or(Fail(libc::EINVAL))?;
        if (word(8), word(12)) != (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            return Err(Fail(libc::EOPNOTSUPP));
        }
        let data = rest.get(HEAD..len).unwrap_or_default();
        fds.extend(data.as_chunks::<4>().0.iter().map(|fd| i32::from_ne_bytes(*fd)));
        rest = rest.get(len.next_multiple_of(8)..).unwrap_or_default();
    }
    match fds.len() <= DESCRIPTORS_MAX {
        true => Ok(fds),
        false => Err(Fail(libc::EINVAL)),
    }
}

/// Whether the host may send a message with these control messages over the guest's end of a socket of the VM. Not before all that
/// was written earlier has left a stream: then it is known which bytes the descriptors came with.
pub(super) fn may_go(call: &Call<'_>, bridge: &Bridge, control: (u64, u64)) -> Result<Poll<()>, Fail> {
    let count = numbers(call, bridge, control)?.len() as u64;
    if count > 0 {
        let process = call.process()?;
        let limits = process.kernel().fd_limits();
        call.vm.sockets.traffic().allow(limits);
        // They are counted once they are seen.
        let room = limits.descriptions().take(count, "sendmsg");
        room.map_err(|_| Fail(libc::ETOOMANYREFS))?;
        limits.descriptions().give(count);
        return flushed(call, bridge);
    }
    Ok(Poll::Ready(()))
}

fn flushed(call: &Call<'_>, bridge: &Bridge) -> Result<Poll<()>, Fail> {
    /// Where all buffers of the VM are full there may be room and nothing moves.
    const ROUNDS: usize = 8;
    for _ in 0..ROUNDS {
        if call.vm.sockets.flush(bridge) {
            break;
        }
        let Some(socket) = bridge.socket() else { break };
        if socket.poll(PollEvents::OUT, Some(&call.guest()?.waker)).is_empty() {
            return Ok(Poll::Pending);
        }
    }
    Ok(Poll::Ready(()))
}

/// The descriptors that a datagram is sent with, taken from the guest. Not every host lets the supervisor have them.
pub(super) fn load(call: &Call<'_>, bridge: &Bridge, control: (u64, u64)) -> Result<Option<Descriptors>, Fail> {
    let numbers = numbers(call, bridge, control)?;
    if numbers.is_empty() {
        return Ok(None);
    }
    let guest = call.guest()?;
    let mut fds = Vec::with_capacity(numbers.len());
    for number in numbers {
        let taken = sys::take_fd(guest.pid_fd.as_fd(), number);
        fds.push(taken.map_err(|error| match sys::errno_of(&error) {
            libc::EPERM => Fail(libc::EOPNOTSUPP),
            errno => Fail(errno),
        })?);
    }
    let traffic = call.vm.sockets.traffic();
    traffic.allow(guest.process.kernel().fd_limits());
    traffic.load(fds).map(Some).ok_or(Fail(libc::ETOOMANYREFS))
}

/// What came along with a datagram.
pub(super) enum Came {
    Nothing,
    /// Out of the guest's pair.
    Own(Vec<OwnedFd>),
    /// Out of the VM's socket.
    Loaded(Box<Descriptors>),
}

impl Came {
    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Own(fds) => fds.iter().map(AsFd::as_fd).collect(),
            Self::Loaded(descriptors) => descriptors.fds().collect(),
        }
    }
}

/// Gives the guest what came along, as far as it has room in `control` and in its table. How many bytes of `control` are filled, and
/// whether something is lost.
pub(super) fn unload(call: &Call<'_>, came: &Came, (at, len): (u64, u64), cloexec: bool) -> Result<(u64, bool), Fail> {
    let fds = came.fds();
    if fds.is_empty() {
        return Ok((0, false));
    }
    let room = len.saturating_sub(HEAD as u64) / 4;
    let fits = usize::try_from(room).unwrap_or(usize::MAX).min(fds.len());
    let mut given: Vec<i32> = Vec::new();
    for fd in fds.iter().take(fits) {
        match call.vm.listener.add(call.n.id, *fd, None, cloexec, 0) {
            Ok(number) => given.push(number),
            Err(_) => break,
        }
    }
    let cut = given.len() < fds.len();
    if given.is_empty() {
        return Ok((0, cut));
    }
    let size = HEAD + 4 * given.len();
    let mut bytes = size.to_ne_bytes().to_vec();
    bytes.extend(libc::SOL_SOCKET.to_ne_bytes());
    bytes.extend(libc::SCM_RIGHTS.to_ne_bytes());
    bytes.extend(given.iter().flat_map(|fd| fd.to_ne_bytes()));
    call.write(at, &bytes)?;
    Ok(((size.next_multiple_of(8) as u64).min(len), cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(level: i32, kind: i32, fds: &[i32]) -> Vec<u8> {
        let mut bytes = (HEAD + 4 * fds.len()).to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(fds.iter().flat_map(|fd| fd.to_ne_bytes()));
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    #[test]
    fn control_messages_are_taken_apart() {
        let rights = |fds: &[i32]| message(libc::SOL_SOCKET, libc::SCM_RIGHTS, fds);
        assert_eq!(parse(&rights(&[7])), Ok(vec![7]));
        assert_eq!(
            parse(&[rights(&[1, 2, 3]), rights(&[-1])].concat()),
            Ok(vec![1, 2, 3, -1])
        );
        assert_eq!(parse(&rights(&[])), Ok(vec![]));
        assert_eq!(parse(&[0; 7]), Ok(vec![]), "too short for any");
        assert_eq!(parse(&rights(&[0; 254])), Err(Fail(libc::EINVAL)));
        let credentials = message(libc::SOL_SOCKET, libc::SCM_CREDENTIALS, &[1, 2, 3]);
        assert_eq!(parse(&credentials), Err(Fail(libc::EOPNOTSUPP)));
        for len in [0u64, 15, 25, u64::MAX] {
            let mut wrong = rights(&[7]);
            wrong[..8].copy_from_slice(&len.to_ne_bytes());
            assert_eq!(parse(&wrong), Err(Fail(libc::EINVAL)), "{len}");
        }
    }
}
