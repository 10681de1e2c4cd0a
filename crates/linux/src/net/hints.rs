//! Options of sockets that are kept and shown, and have no effect but what [`calls::told`](crate::calls) makes of them: hints to a network
//! that is not there, and what a program wants to be told with each datagram.

use crate::calls::Fail;
use agentos_kernel::net::{Domain, Kind};
use std::collections::BTreeMap;

/// An option by its level and number.
type Name = (i32, i32);

const SOCKET: i32 = libc::SOL_SOCKET;
const TCP: i32 = libc::IPPROTO_TCP;
const IP: i32 = libc::IPPROTO_IP;
const IPV6: i32 = libc::IPPROTO_IPV6;
/// `TCP_SYNCNT`, `TCP_NOTSENT_LOWAT`, `IP_BIND_ADDRESS_NO_PORT`, `IPV6_DONTFRAG`, which the library has no names of everywhere.
const TCP_SYNCNT: i32 = 7;
const TCP_NOTSENT_LOWAT: i32 = 25;
const IP_BIND_ADDRESS_NO_PORT: i32 = 24;
const IPV6_DONTFRAG: i32 = 62;

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// On or off: whatever is not 0 is on.
    Switch,
    /// A number from, to, and what others get.
    Number(i32, i32, i32),
    /// A number that stands for what it is at first, or one from, to; `EINVAL` else.
    OrFirst(i32, i32, i32),
}

/// An option that is only kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hint {
    name: Name,
    takes: Takes,
    first: i32,
}

const fn hint(level: i32, name: i32, takes: Takes, first: i32) -> Hint {
    Hint {
        name: (level, name),
        takes,
        first,
    }
}

/// All of them. That setting a high priority or polling a device needs rights is Linux's.
const HINTS: &[Hint] = &[
    hint(SOCKET, libc::SO_PRIORITY, Takes::Number(0, 6, libc::EPERM), 0),
    hint(SOCKET, libc::SO_OOBINLINE, Takes::Switch, 0),
    hint(SOCKET, libc::SO_BUSY_POLL, Takes::Number(0, i32::MAX, libc::EINVAL), 0),
    hint(SOCKET, libc::SO_TIMESTAMP, Takes::Switch, 0),
    hint(SOCKET, libc::SO_TIMESTAMPNS, Takes::Switch, 0),
    hint(TCP, libc::TCP_CORK, Takes::Switch, 0),
    hint(TCP, libc::TCP_MAXSEG, Takes::OrFirst(0, 88, 32_767), 536),
    hint(
        TCP,
        libc::TCP_DEFER_ACCEPT,
        Takes::Number(i32::MIN, i32::MAX, libc::EINVAL),
        0,
    ),
    hint(TCP, libc::TCP_QUICKACK, Takes::Switch, 1),
    hint(TCP, libc::TCP_FASTOPEN_CONNECT, Takes::Switch, 0),
    hint(TCP, TCP_SYNCNT, Takes::Number(1, 127, libc::EINVAL), 6),
    hint(
        TCP,
        TCP_NOTSENT_LOWAT,
        Takes::Number(i32::MIN, i32::MAX, libc::EINVAL),
        0,
    ),
    hint(IP, libc::IP_MTU_DISCOVER, Takes::Number(0, 5, libc::EINVAL), 1),
    hint(IP, libc::IP_RECVERR, Takes::Switch, 0),
    hint(IP, libc::IP_PKTINFO, Takes::Switch, 0),
    hint(IP, libc::IP_RECVTTL, Takes::Switch, 0),
    hint(IP, libc::IP_RECVTOS, Takes::Switch, 0),
    hint(IP, libc::IP_RECVORIGDSTADDR, Takes::Switch, 0),
    hint(IP, IP_BIND_ADDRESS_NO_PORT, Takes::Switch, 0),
    hint(IPV6, libc::IPV6_MTU_DISCOVER, Takes::Number(0, 5, libc::EINVAL), 1),
    hint(IPV6, libc::IPV6_RECVERR, Takes::Switch, 0),
    hint(IPV6, libc::IPV6_TCLASS, Takes::OrFirst(-1, 0, 255), 0),
    hint(IPV6, libc::IPV6_RECVPKTINFO, Takes::Switch, 0),
    hint(IPV6, libc::IPV6_RECVHOPLIMIT, Takes::Switch, 0),
    hint(IPV6, libc::IPV6_RECVTCLASS, Takes::Switch, 0),
    hint(IPV6, libc::IPV6_RECVORIGDSTADDR, Takes::Switch, 0),
    hint(IPV6, IPV6_DONTFRAG, Takes::Switch, 0),
];

impl Hint {
    /// The option of a level and a number, as sockets of a kind have it. Which error others get is said where there is none.
    pub(crate) fn of(level: i32, name: i32, domain: Domain, kind: Kind) -> Option<Self> {
        let is_there = match (level, domain) {
            (SOCKET, _) => true,
            (TCP, _) => domain != Domain::Unix && kind == Kind::Stream,
            (IPV6, _) => domain == Domain::Inet6,
            _ => domain != Domain::Unix,
        };
        let found = HINTS.iter().find(|hint| hint.name == (level, name));
        found.copied().filter(|_| is_there)
    }

    /// What it becomes by the bytes that a program gives.
    fn decode(self, bytes: &[u8]) -> Result<i32, Fail> {
        let value = match (bytes.first_chunk(), bytes, self.name.0) {
            (Some(word), ..) => i32::from_ne_bytes(*word),
            // Options of this level may be a byte, or nothing for 0.
            (None, bytes, IP) => bytes.first().map_or(0, |byte| i32::from(*byte)),
            // Linux does not look at the length of this one.
            _ if self.name == (IPV6, IPV6_DONTFRAG) => 0,
            _ => return Err(Fail(libc::EINVAL)),
        };
        match self.takes {
            Takes::Switch => Ok(i32::from(value != 0)),
            Takes::OrFirst(first, ..) if value == first => Ok(self.first),
            Takes::OrFirst(_, least, most) | Takes::Number(least, most, _) if (least..=most).contains(&value) => {
                Ok(value)
            }
            Takes::Number(_, _, error) => Err(Fail(error)),
            Takes::OrFirst(..) => Err(Fail(libc::EINVAL)),
        }
    }
}

/// Ways to use a network without choking it, of which every host has these.
const CONGESTION: [&[u8]; 2] = [b"cubic", b"reno"];
/// Bytes of such a name, and of the field.
const CONGESTION_ROOM: usize = 16;

/// What is kept of one socket; most never have any. There is room for each of the options once.
#[derive(Debug, Default)]
pub(crate) struct Hints(BTreeMap<Name, i32>);

impl Hints {
    /// The value of an option.
    pub(crate) fn get(&self, hint: Hint) -> i32 {
        self.0.get(&hint.name).copied().unwrap_or(hint.first)
    }

    /// Sets an option.
    pub(crate) fn set(&mut self, hint: Hint, bytes: &[u8]) -> Result<(), Fail> {
        let value = hint.decode(bytes)?;
        // There is one switch for times, and another one for how exact they are.
        for time in [libc::SO_TIMESTAMP, libc::SO_TIMESTAMPNS] {
            if matches!(hint.name, (SOCKET, libc::SO_TIMESTAMP | libc::SO_TIMESTAMPNS)) {
                self.0.remove(&(SOCKET, time));
            }
        }
        self.0.insert(hint.name, value);
        Ok(())
    }

    /// `TCP_CONGESTION`, as it is read.
    pub(crate) fn congestion(&self) -> Vec<u8> {
        let chosen = self
            .0
            .get(&(TCP, libc::TCP_CONGESTION))
            .is_some_and(|value| *value == 1);
        let mut name = CONGESTION[usize::from(chosen)].to_vec();
        name.resize(CONGESTION_ROOM, 0);
        name
    }

    /// Sets `TCP_CONGESTION`.
    pub(crate) fn set_congestion(&mut self, bytes: &[u8]) -> Result<(), Fail> {
        let bytes = bytes.get(..bytes.len().min(CONGESTION_ROOM - 1)).unwrap_or_default();
        let name = match bytes.split(|byte| *byte == 0).next() {
            _ if bytes.is_empty() => return Err(Fail(libc::EINVAL)),
            name => name.unwrap_or_default(),
        };
        let at = CONGESTION
            .iter()
            .position(|known| *known == name)
            .ok_or(Fail(libc::ENOENT))?;
        self.0.insert((TCP, libc::TCP_CONGESTION), i32::from(at == 1));
        Ok(())
    }

    /// Whether an option is on that somebody has to turn on.
    pub(crate) fn is_on(&self, level: i32, name: i32) -> bool {
        self.0.get(&(level, name)).is_some_and(|value| *value != 0)
    }

    /// Whether nothing was ever set.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(level: i32, name: i32) -> Hint {
        Hint::of(level, name, Domain::Inet6, Kind::Stream).unwrap()
    }

    #[test]
    fn hints_are_kept_within_their_bounds() {
        let mut hints = Hints::default();
        let (cork, priority) = (find(TCP, libc::TCP_CORK), find(SOCKET, libc::SO_PRIORITY));
        assert_eq!((hints.get(cork), hints.get(find(TCP, libc::TCP_QUICKACK))), (0, 1));
        hints.set(cork, &7i32.to_ne_bytes()).unwrap();
        assert_eq!((hints.get(cork), hints.is_on(TCP, libc::TCP_CORK)), (1, true));
        assert_eq!(hints.set(priority, &7i32.to_ne_bytes()), Err(Fail(libc::EPERM)));
        assert_eq!(hints.set(priority, &[1, 0]), Err(Fail(libc::EINVAL)), "too short");
        hints.set(find(IP, libc::IP_RECVTTL), &[1]).unwrap();
        assert!(hints.is_on(IP, libc::IP_RECVTTL), "a byte is enough");
        let class = find(IPV6, libc::IPV6_TCLASS);
        hints.set(class, &9i32.to_ne_bytes()).unwrap();
        hints.set(class, &(-1i32).to_ne_bytes()).unwrap();
        assert_eq!(hints.get(class), 0);
    }

    #[test]
    fn times_have_one_switch() {
        let mut hints = Hints::default();
        hints
            .set(find(SOCKET, libc::SO_TIMESTAMP), &1i32.to_ne_bytes())
            .unwrap();
        hints
            .set(find(SOCKET, libc::SO_TIMESTAMPNS), &1i32.to_ne_bytes())
            .unwrap();
        assert!(!hints.is_on(SOCKET, libc::SO_TIMESTAMP) && hints.is_on(SOCKET, libc::SO_TIMESTAMPNS));
        hints
            .set(find(SOCKET, libc::SO_TIMESTAMP), &0i32.to_ne_bytes())
            .unwrap();
        assert!(!hints.is_on(SOCKET, libc::SO_TIMESTAMPNS));
    }

    #[test]
    fn congestion_has_two_names() {
        let mut hints = Hints::default();
        assert!(hints.congestion().starts_with(b"cubic\0"));
        hints.set_congestion(b"reno\0rest").unwrap();
        assert_eq!(hints.congestion(), *b"reno\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(hints.set_congestion(b"vegas"), Err(Fail(libc::ENOENT)));
        assert_eq!(hints.set_congestion(b""), Err(Fail(libc::EINVAL)));
    }

    #[test]
    fn kinds_of_sockets_have_their_own() {
        let of = |level, name, domain, kind| Hint::of(level, name, domain, kind).is_some();
        assert!(of(SOCKET, libc::SO_PRIORITY, Domain::Unix, Kind::Stream));
        assert!(!of(TCP, libc::TCP_CORK, Domain::Unix, Kind::Stream));
        assert!(!of(TCP, libc::TCP_CORK, Domain::Inet, Kind::Datagram));
        assert!(!of(IPV6, libc::IPV6_TCLASS, Domain::Inet, Kind::Stream));
        assert!(of(IP, libc::IP_PKTINFO, Domain::Inet6, Kind::Datagram));
    }
}
