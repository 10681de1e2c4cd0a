//! Options of sockets (`getsockopt(2)`): those of the VM's sockets, and of pairs that guests made, which are the host's.

use super::sockets::{behind, holding, is_datagram};
use super::{Call, Fail, Outcome, pairs};
use crate::net::{self, Bridge, Form, Hint, Interface, Meaning};
use crate::sys::Answer;
use agentos_kernel::net::{Domain, OptionName, OptionValue, SocketAddress};

/// Options that the host answers for a pair that guests made: reuse, type, error, buffers, keep-alive, lingering, timeouts,
/// listening, protocol, domain.
const OF_PAIRS: &[i32] = &[2, 3, 4, 7, 8, 9, 13, 20, 21, 30, 38, 39];

/// What becomes of an option of a pair that guests made: level and name are in registers.
fn of_pair(level: i32, option: i32) -> Outcome {
    match level == libc::SOL_SOCKET && OF_PAIRS.contains(&option) {
        true => Ok(Answer::Continue),
        false => Err(Fail(libc::ENOPROTOOPT)),
    }
}

/// Whether options of a level are another kind's: sockets of datagrams of the internet have none of TCP.
fn is_foreign(bridge: &Bridge, level: i32) -> bool {
    let is_inet = || bridge.socket().is_some_and(|socket| socket.domain() != Domain::Unix);
    level == libc::IPPROTO_TCP && is_datagram(bridge) && is_inet()
}

fn meaning(bridge: &Bridge, level: i32, option: i32) -> Meaning {
    let kept = bridge
        .socket()
        .and_then(|socket| Hint::of(level, option, socket.domain(), socket.kind()));
    match (is_foreign(bridge, level), kept) {
        (true, _) => Meaning::Unknown,
        (false, Some(hint)) => Meaning::Hint(hint),
        (false, None) => net::meaning(level, option),
    }
}

/// Whether a socket is one of UNIX, which has the options of sockets alone.
fn is_unix(bridge: &Bridge) -> bool {
    bridge.socket().is_some_and(|socket| socket.domain() == Domain::Unix)
}

/// The largest packet on the way to a socket's peer (`IP_MTU`).
fn largest(bridge: &Bridge) -> Result<u32, Fail> {
    /// As long as a packet of IP can be.
    const LONGEST: u32 = 65_535;
    let socket = bridge.socket().ok_or(Fail(libc::ENOPROTOOPT))?;
    match socket.peer_name()? {
        SocketAddress::Inet(peer) => Ok(Interface::towards(peer.ip()).mtu.min(LONGEST)),
        SocketAddress::Unix(_) => Err(Fail(libc::EOPNOTSUPP)),
    }
}

pub(crate) fn getsockopt(call: &mut Call<'_>) -> Outcome {
    let (level, option) = (call.int(1), call.int(2));
    let Some(bridge) = behind(call, call.int(0))? else {
        return match (level, option) {
            (libc::SOL_SOCKET, libc::SO_PEERCRED) => give_option(call, &pairs::maker(call)?),
            _ => of_pair(level, option),
        };
    };
    if is_unix(&bridge) && level != libc::SOL_SOCKET {
        return Err(Fail(libc::EOPNOTSUPP));
    }
    let value = match meaning(&bridge, level, option) {
        Meaning::Unknown if !net::is_level(level) || is_foreign(&bridge, level) => return Err(Fail(libc::EOPNOTSUPP)),
        Meaning::Unknown => return Err(Fail(libc::ENOPROTOOPT)),
        Meaning::Hint(hint) => bridge.hints.lock().get(hint).to_ne_bytes().to_vec(),
        Meaning::Congestion => bridge.hints.lock().congestion(),
        Meaning::Largest => largest(&bridge)?.to_ne_bytes().to_vec(),
        Meaning::Known(name) => {
            let value = holding(call, &bridge, false, |process, fd| process.socket_option(fd, name))??;
            let met = match (&value, &mut *bridge.form.lock()) {
                (OptionValue::Error(None), Form::Packets(packets)) => packets.take_error(),
                _ => None,
            };
            net::encode_option(&met.map_or(value, |error| OptionValue::Error(Some(error.errno()))))
        }
    };
    give_option(call, &value)
}

/// Gives the guest what it asked for, cut to its room.
fn give_option(call: &Call<'_>, value: &[u8]) -> Outcome {
    let mut room = [0; 4];
    call.read(call.arg(4), &mut room)?;
    let room = usize::try_from(i32::from_ne_bytes(room)).map_err(|_| Fail(libc::EINVAL))?;
    let part = value.get(..room.min(value.len())).unwrap_or_default();
    call.write(call.arg(3), part)?;
    call.write(call.arg(4), &(part.len() as u32).to_ne_bytes())?;
    Ok(Answer::OK)
}

pub(crate) fn setsockopt(call: &mut Call<'_>) -> Outcome {
    let (level, option) = (call.int(1), call.int(2));
    let Some(bridge) = behind(call, call.int(0))? else {
        return of_pair(level, option);
    };
    let meaning = meaning(&bridge, level, option);
    if is_unix(&bridge) && level != libc::SOL_SOCKET {
        return Err(Fail(libc::EOPNOTSUPP));
    }
    if matches!(meaning, Meaning::Unknown | Meaning::Largest) {
        return Err(Fail(libc::ENOPROTOOPT));
    }
    let len = usize::try_from(call.int(4)).map_err(|_| Fail(libc::EINVAL))?;
    if len > net::VALUE_MAX {
        return Err(Fail(libc::EINVAL));
    }
    let mut bytes = vec![0; len];
    call.read(call.arg(3), &mut bytes)?;
    let name = match meaning {
        Meaning::Known(name) => name,
        Meaning::Hint(hint) => {
            bridge.hints.lock().set(hint, &bytes)?;
            return Ok(Answer::OK);
        }
        Meaning::Congestion => {
            bridge.hints.lock().set_congestion(&bytes)?;
            return Ok(Answer::OK);
        }
        Meaning::Unknown | Meaning::Largest => return Err(Fail(libc::ENOPROTOOPT)),
    };
    let value = net::decode_option(name, &bytes)?;
    call.confirm()?;
    holding(call, &bridge, false, |process, fd| {
        process.set_socket_option(fd, name, value)
    })??;
    if matches!(name, OptionName::Error) {
        return Err(Fail(libc::ENOPROTOOPT));
    }
    // The host reads and writes for the guest, so it keeps the time, too.
    match net::is_timeout(name) && matches!(&*bridge.form.lock(), Form::Stream(_) | Form::Packets(_)) {
        true => Ok(Answer::Continue),
        false => Ok(Answer::OK),
    }
}
