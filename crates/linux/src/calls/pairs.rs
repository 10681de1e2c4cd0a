//! Pairs of sockets (`socketpair(2)`). Those of streams and sequences the host makes: nobody else is in them. A datagram has a sender's
//! name, so sockets of datagrams are the VM's, in pairs, too.

use super::{Call, Fail, Outcome};
use crate::sys::{self, Answer};
use agentos_kernel::Errno;
use agentos_kernel::net::{Domain, Kind};
use std::os::fd::AsFd;

/// A pair of datagram sockets.
pub(crate) fn datagrams(call: &mut Call<'_>) -> Outcome {
    const FLAGS: i32 = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let flags = call.int(1) & !libc::SOCK_DGRAM;
    if flags & !FLAGS != 0 {
        return Err(Fail(libc::EINVAL));
    }
    if !matches!(call.int(2), 0 | libc::PF_UNIX) {
        return Err(Fail(libc::EPROTONOSUPPORT));
    }
    // Before anything is made that nobody would know of.
    call.write(call.arg(3), &[0xff; 8])?;
    let process = call.process()?;
    if call.vm.sockets.is_crowded() {
        call.vm.sweep_sockets();
    }
    let make = || process.socket_pair(Domain::Unix, Kind::Datagram, false, false);
    let (one, two) = match make() {
        Err(error) if error == Errno::EAGAIN => {
            call.vm.settle_sockets();
            make()?
        }
        made => made?,
    };
    let files = [process.file(one), process.file(two)];
    let _ = (process.close(one), process.close(two));
    let mut guests = Vec::new();
    for file in files {
        let guest = call.vm.sockets.add(file?, true)?;
        sys::set_nonblocking(guest.as_fd(), flags & libc::SOCK_NONBLOCK != 0)?;
        guests.push(guest);
    }
    call.confirm()?;
    let mut numbers = Vec::new();
    for guest in guests {
        let cloexec = flags & libc::SOCK_CLOEXEC != 0;
        let number = call.vm.listener.add(call.n.id, guest.as_fd(), None, cloexec, 0)?;
        numbers.extend(number.to_ne_bytes());
    }
    call.write(call.arg(3), &numbers)?;
    Ok(Answer::OK)
}

/// Who made a pair (`SO_PEERCRED`), as the VM knows it. Where the host does not let the descriptor be taken nobody is told. One that
/// has ended since, or is no guest, has the number 0: those of the host are nobody's business.
pub(super) fn maker(call: &Call<'_>) -> Result<Vec<u8>, Fail> {
    let guest = call.guest()?;
    let refused = |_| Fail(libc::ENOPROTOOPT);
    let fd = sys::take_fd(guest.pid_fd.as_fd(), call.int(0)).map_err(refused)?;
    let host = sys::peer_pid(fd.as_fd())?;
    let maker = call.vm.guests.get(&host);
    let number = maker.map_or(0, |maker| call.vm.visible_pid(maker.process.pid()));
    let cred = maker.unwrap_or(guest).process.cred();
    let numbers = [number, cred.euid.0, cred.egid.0];
    Ok(numbers.iter().flat_map(|number| number.to_ne_bytes()).collect())
}
