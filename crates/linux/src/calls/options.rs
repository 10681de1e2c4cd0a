//! Options of sockets (`getsockopt(2)`): those of the VM's sockets, and of pairs that guests made, which are the host's.

use super::sockets::{behind, holding, is_datagram};
use super::{Call, Fail, Outcome, pairs};
use crate::net::{self, Bridge, Form, Meaning};
use crate::sys::Answer;
use agentos_kernel::net::{Domain, OptionName, OptionValue};

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
    match is_foreign(bridge, level) {
        true => Meaning::Unknown,
        false => net::meaning(level, option),
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
    let value = match meaning(&bridge, level, option) {
        Meaning::Unknown if !net::is_level(level) || is_foreign(&bridge, level) => return Err(Fail(libc::EOPNOTSUPP)),
        Meaning::Unknown => return Err(Fail(libc::ENOPROTOOPT)),
        Meaning::Hint => vec![0; 4],
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
    let name = match meaning(&bridge, level, option) {
        Meaning::Unknown => return Err(Fail(libc::ENOPROTOOPT)),
        Meaning::Hint => return Ok(Answer::OK),
        Meaning::Known(name) => name,
    };
    let len = usize::try_from(call.int(4)).map_err(|_| Fail(libc::EINVAL))?;
    if len > net::VALUE_MAX {
        return Err(Fail(libc::EINVAL));
    }
    let mut bytes = vec![0; len];
    call.read(call.arg(3), &mut bytes)?;
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
