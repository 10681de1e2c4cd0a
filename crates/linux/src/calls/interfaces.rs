//! What sockets are asked of interfaces (`netdevice(7)`), which are made up for the VM.

use super::sockets::behind;
use super::{Call, Fail, Outcome};
use crate::net::{INTERFACES, Interface};
use crate::sys::Answer;
use std::net::Ipv4Addr;

const SIOCGIFNAME: u32 = 0x8910;
const SIOCGIFCONF: u32 = 0x8912;
const SIOCGIFFLAGS: u32 = 0x8913;
const SIOCGIFADDR: u32 = 0x8915;
const SIOCGIFBRDADDR: u32 = 0x8919;
const SIOCGIFNETMASK: u32 = 0x891b;
const SIOCGIFMETRIC: u32 = 0x891d;
const SIOCGIFMTU: u32 = 0x8921;
const SIOCGIFHWADDR: u32 = 0x8927;
const SIOCGIFINDEX: u32 = 0x8933;
const SIOCGIFTXQLEN: u32 = 0x8942;

/// Bytes of `struct ifreq`, and of the name at its beginning.
const REQUEST: usize = 40;
const NAME: usize = 16;
/// Packets that a queue holds.
const QUEUE: i32 = 1000;

/// Whether it is a question about interfaces.
pub(super) fn is_about(request: u32) -> bool {
    (0x8910..=0x8942).contains(&request)
}

pub(super) fn ioctl(call: &mut Call<'_>) -> Outcome {
    match behind(call, call.int(0)) {
        Err(Fail(libc::ENOTSOCK)) => return Err(Fail(libc::ENOTTY)),
        found => found?,
    };
    if call.uint(1) == SIOCGIFCONF {
        return list(call);
    }
    let mut request = [0; REQUEST];
    call.read(call.arg(2), &mut request)?;
    let (name, value) = request.split_at_mut(NAME);
    if call.uint(1) == SIOCGIFNAME {
        let index = value.first_chunk().map_or(0, |index| u32::from_ne_bytes(*index));
        let interface = Interface::numbered(index).ok_or(Fail(libc::ENODEV))?;
        fill(name, interface.name);
    } else {
        let interface = Interface::named(name).ok_or(Fail(libc::ENODEV))?;
        fill(value, &told(call.uint(1), interface)?);
    }
    call.write(call.arg(2), &request)?;
    Ok(Answer::OK)
}

/// What is told of an interface.
fn told(request: u32, interface: &Interface) -> Result<Vec<u8>, Fail> {
    Ok(match request {
        SIOCGIFFLAGS => (interface.flags as u16).to_ne_bytes().to_vec(),
        SIOCGIFADDR => address(Ipv4Addr::from(interface.v4.0)),
        SIOCGIFBRDADDR => address(interface.everybody()),
        SIOCGIFNETMASK => address(interface.mask()),
        SIOCGIFMETRIC => 0i32.to_ne_bytes().to_vec(),
        SIOCGIFMTU => interface.mtu.to_ne_bytes().to_vec(),
        SIOCGIFHWADDR => [&interface.kind.to_ne_bytes()[..], &interface.mac].concat(),
        SIOCGIFINDEX => interface.index.to_ne_bytes().to_vec(),
        SIOCGIFTXQLEN => QUEUE.to_ne_bytes().to_vec(),
        _ => return Err(Fail(libc::ENOTTY)),
    })
}

/// All interfaces with their addresses, as far as there is room (`struct ifconf`); without a place to put them, how much room they need.
fn list(call: &Call<'_>) -> Outcome {
    let mut asked = [0; 16];
    call.read(call.arg(2), &mut asked)?;
    let room = asked.first_chunk().map_or(0, |len| i32::from_ne_bytes(*len));
    let at = asked.last_chunk().map_or(0, |at| u64::from_ne_bytes(*at));
    let count = match at {
        0 => INTERFACES.len(),
        _ => usize::try_from(room).map_err(|_| Fail(libc::EINVAL))? / REQUEST,
    };
    let mut all = Vec::new();
    for interface in INTERFACES.iter().take(count) {
        let mut request = [0; REQUEST];
        let (name, value) = request.split_at_mut(NAME);
        fill(name, interface.name);
        fill(value, &address(Ipv4Addr::from(interface.v4.0)));
        all.extend(request);
    }
    if at != 0 {
        call.write(at, &all)?;
    }
    call.write(call.arg(2), &(all.len() as i32).to_ne_bytes())?;
    Ok(Answer::OK)
}

/// `struct sockaddr_in` without a port.
fn address(ip: Ipv4Addr) -> Vec<u8> {
    let family = libc::AF_INET as u16;
    [&family.to_ne_bytes()[..], &[0; 2], &ip.octets(), &[0; 8]].concat()
}

/// Puts bytes at the beginning of a field, and zeros behind them.
fn fill(field: &mut [u8], bytes: &[u8]) {
    let bytes = bytes.iter().copied().chain(std::iter::repeat(0));
    field.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
}
