//! The interfaces that programs find in a VM: a loopback, and one that stands for the way out, with the addresses that sockets show.

use std::net::{IpAddr, Ipv4Addr};

/// An interface of every VM.
pub(crate) struct Interface {
    pub(crate) index: u32,
    pub(crate) name: &'static [u8],
    /// `ARPHRD_*`.
    pub(crate) kind: u16,
    pub(crate) flags: u32,
    pub(crate) mtu: u32,
    pub(crate) mac: [u8; 6],
    pub(crate) v4: ([u8; 4], u8),
    pub(crate) v6: ([u8; 16], u8),
    /// `RT_SCOPE_*`.
    pub(crate) scope: u8,
}

/// All of them.
pub(crate) const INTERFACES: [Interface; 2] = [
    Interface {
        index: 1,
        name: b"lo",
        kind: 772,
        flags: 0x1_0049,
        mtu: 65_536,
        mac: [0; 6],
        v4: ([127, 0, 0, 1], 8),
        v6: ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 128),
        scope: 254,
    },
    Interface {
        index: 2,
        name: b"eth0",
        kind: 1,
        flags: 0x1_1043,
        mtu: 1500,
        mac: [2, 0, 0, 0, 0, 1],
        v4: ([10, 0, 2, 15], 24),
        v6: ([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0a, 0, 0x02, 0x0f], 64),
        scope: 0,
    },
];

impl Interface {
    /// The one with a name, whatever follows the end of the name.
    pub(crate) fn named(name: &[u8]) -> Option<&'static Self> {
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        INTERFACES.iter().find(|interface| interface.name == name)
    }

    /// The one with a number.
    pub(crate) fn numbered(index: u32) -> Option<&'static Self> {
        INTERFACES.iter().find(|interface| interface.index == index)
    }

    /// The one by which what is sent to an address comes.
    pub(crate) fn towards(address: IpAddr) -> &'static Self {
        &INTERFACES[usize::from(!address.to_canonical().is_loopback())]
    }

    /// Its name as C has it.
    pub(crate) fn name_with_end(&self) -> Vec<u8> {
        [self.name, &[0]].concat()
    }

    /// The mask of its network.
    pub(crate) fn mask(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(self.v4.1)).unwrap_or(0))
    }

    /// The address of everybody there; none at the loopback.
    pub(crate) fn everybody(&self) -> Ipv4Addr {
        match self.kind {
            LOOPBACK => Ipv4Addr::UNSPECIFIED,
            _ => Ipv4Addr::from(self.v4.0) | !self.mask(),
        }
    }
}

/// `ARPHRD_LOOPBACK`.
const LOOPBACK: u16 = 772;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_found_by_name_and_number() {
        assert_eq!(Interface::named(b"eth0\0rest").map(|found| found.index), Some(2));
        assert_eq!(Interface::numbered(1).map(|found| found.name), Some(&b"lo"[..]));
        assert!(
            Interface::named(b"").is_none() && Interface::named(b"eth").is_none() && Interface::numbered(0).is_none()
        );
    }

    #[test]
    fn networks_have_masks_and_addresses_of_everybody() {
        let [lo, out] = &INTERFACES;
        assert_eq!((lo.mask().octets(), lo.everybody().octets()), ([255, 0, 0, 0], [0; 4]));
        assert_eq!(
            (out.mask().octets(), out.everybody().octets()),
            ([255, 255, 255, 0], [10, 0, 2, 255])
        );
        assert_eq!(Interface::towards(IpAddr::from([127, 9, 0, 1])).index, 1);
        assert_eq!(Interface::towards(IpAddr::from([192, 0, 2, 1])).index, 2);
    }
}
