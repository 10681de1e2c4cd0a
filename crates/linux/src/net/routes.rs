//! Netlink sockets, as far as asking for interfaces and addresses goes (`rtnetlink(7)`): answers that are made up for the VM, of
//! [`interfaces`](super::interfaces).
//!
//! Both families have an address at each interface: C libraries look up names only in families that an interface has.

use super::bridge::Turn;
use super::interfaces::{INTERFACES, Interface};
use crate::sys::{self, Found};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// A socket that answers itself.
pub(crate) struct Routes {
    end: OwnedFd,
    /// The guest's end.
    twin: OwnedFd,
    /// Its address, to which answers go.
    port: u32,
}

const HEADER: usize = 16;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const MULTI: u16 = 2;
/// Requests of one message that are answered; then the rest is lost, as it is on Linux where it has no room.
const REQUESTS_MAX: usize = 16;

impl Routes {
    /// The guest's end, and what stands behind it.
    pub(super) fn new(port: u32) -> io::Result<(OwnedFd, Self)> {
        let (guest, end) = sys::pair(libc::SOCK_SEQPACKET)?;
        let twin = sys::duplicate(guest.as_fd())?;
        Ok((guest, Self { end, twin, port }))
    }

    pub(super) fn end(&self) -> &OwnedFd {
        &self.end
    }

    pub(super) fn run(&self, scratch: &mut [u8]) -> Turn {
        while let Ok(Some(found)) = sys::receive(self.end.as_fd(), scratch, 0) {
            self.ask(scratch.get(..found.count).unwrap_or_default());
        }
        Turn::Waits
    }

    /// Answers a message. What has no room is lost, as it is on Linux.
    pub(crate) fn ask(&self, message: &[u8]) {
        let mut rest = message;
        for _ in 0..REQUESTS_MAX {
            let Some(header) = rest.first_chunk::<HEADER>() else {
                return;
            };
            let [l0, l1, l2, l3, t0, t1, _, _, s0, s1, s2, s3, ..] = *header;
            let len = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
            if len < HEADER {
                return;
            }
            let to = To {
                sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
                port: self.port,
            };
            let family = rest.get(HEADER).copied().unwrap_or(0);
            for answer in answers(u16::from_ne_bytes([t0, t1]), i32::from(family), header, &to) {
                let _ = sys::send(self.end.as_fd(), &answer);
            }
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
    }

    /// Its address.
    pub(crate) fn port(&self) -> u32 {
        self.port
    }

    /// The next answer.
    pub(crate) fn take(&self, buf: &mut [u8], flags: i32) -> Option<Found> {
        let flags = flags & (libc::MSG_PEEK | libc::MSG_TRUNC);
        sys::receive(self.twin.as_fd(), buf, flags).ok().flatten()
    }
}

/// Whom an answer is for.
struct To {
    sequence: u32,
    port: u32,
}

fn answers(kind: u16, family: i32, header: &[u8], to: &To) -> Vec<Vec<u8>> {
    let list: Vec<u8> = match kind {
        GET_LINK => INTERFACES.iter().flat_map(|interface| link(interface, to)).collect(),
        GET_ADDRESS => INTERFACES
            .iter()
            .flat_map(|interface| addresses(interface, family, to))
            .collect(),
        // Changing anything is refused, and so is asking for what is not kept.
        _ => {
            let errno = if kind % 4 == 2 { libc::EOPNOTSUPP } else { libc::EPERM };
            let body = [&(-errno).to_ne_bytes()[..], header].concat();
            return vec![message(ERROR, 0, &body, to)];
        }
    };
    vec![list, message(DONE, MULTI, &0i32.to_ne_bytes(), to)]
}

fn link(interface: &Interface, to: &To) -> Vec<u8> {
    let body = [
        &[0, 0][..],
        &interface.kind.to_ne_bytes(),
        &interface.index.to_ne_bytes(),
        &interface.flags.to_ne_bytes(),
        &[0xff; 4],
        &attribute(libc::IFLA_IFNAME, &interface.name_with_end()),
        &attribute(libc::IFLA_MTU, &interface.mtu.to_ne_bytes()),
        &attribute(libc::IFLA_ADDRESS, &interface.mac),
    ]
    .concat();
    message(NEW_LINK, MULTI, &body, to)
}

fn addresses(interface: &Interface, family: i32, to: &To) -> Vec<u8> {
    let one = |of: i32, ip: &[u8], prefix: u8| {
        if family != libc::AF_UNSPEC && family != of {
            return Vec::new();
        }
        let index = interface.index.to_ne_bytes();
        let head = [&[of as u8, prefix, 0x80, interface.scope][..], &index].concat();
        let own = match of {
            libc::AF_INET => [
                attribute(libc::IFA_LOCAL, ip),
                attribute(libc::IFA_LABEL, &interface.name_with_end()),
            ]
            .concat(),
            _ => Vec::new(),
        };
        message(
            NEW_ADDRESS,
            MULTI,
            &[head, attribute(libc::IFA_ADDRESS, ip), own].concat(),
            to,
        )
    };
    let (v4, v6) = (&interface.v4, &interface.v6);
    [one(libc::AF_INET, &v4.0, v4.1), one(libc::AF_INET6, &v6.0, v6.1)].concat()
}

/// A message with its header, padded.
fn message(kind: u16, flags: u16, body: &[u8], to: &To) -> Vec<u8> {
    let len = (HEADER + body.len()) as u32;
    let mut bytes = [
        &len.to_ne_bytes()[..],
        &kind.to_ne_bytes(),
        &flags.to_ne_bytes(),
        &to.sequence.to_ne_bytes(),
        &to.port.to_ne_bytes(),
        body,
    ]
    .concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = (4 + value.len()) as u16;
    let mut bytes = [&len.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The address of a netlink socket (`sockaddr_nl`).
pub(crate) fn netlink_address(port: u32) -> Vec<u8> {
    let family = libc::AF_NETLINK as u16;
    [&family.to_ne_bytes()[..], &[0; 2], &port.to_ne_bytes(), &[0; 4]].concat()
}
