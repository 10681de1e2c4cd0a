//! Options that are advice to a network device: kept and shown, without effect, because inside the VM there is no device and
//! outside the host's rules apply.

use super::{Domain, Kind};
use crate::errno::Errno;
use crate::error::Result;

/// An option that is only kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Advice {
    /// `IP_TOS`.
    TypeOfService,
    /// `IP_MULTICAST_TTL`.
    MulticastTimeToLive,
    /// `IP_MULTICAST_LOOP`.
    MulticastLoop,
    /// `IPV6_MULTICAST_HOPS`.
    MulticastHops,
    /// `IPV6_MULTICAST_LOOP`.
    MulticastLoop6,
    /// `TCP_KEEPIDLE`, in seconds.
    KeepIdle,
    /// `TCP_KEEPINTVL`, in seconds.
    KeepInterval,
    /// `TCP_KEEPCNT`.
    KeepCount,
    /// `TCP_USER_TIMEOUT`, in ms.
    UserTimeout,
}

/// Number of them.
const COUNT: usize = 9;

/// The values of one socket; most never have any.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept(Option<Box<[u32; COUNT]>>);

/// What they are unless somebody says otherwise, in the order of the enum.
const DEFAULTS: [u32; COUNT] = [0, 1, 1, 1, 1, 7200, 75, 9, 0];

impl Advice {
    /// Smallest and largest value.
    fn bounds(self) -> (u32, u32) {
        match self {
            Self::TypeOfService | Self::MulticastTimeToLive | Self::MulticastHops => (0, 255),
            Self::MulticastLoop | Self::MulticastLoop6 => (0, 1),
            Self::KeepIdle | Self::KeepInterval => (1, 32_767),
            Self::KeepCount => (1, 127),
            Self::UserTimeout => (0, i32::MAX as u32),
        }
    }

    fn applies(self, domain: Domain, kind: Kind) -> Result<()> {
        let fine = match self {
            Self::KeepIdle | Self::KeepInterval | Self::KeepCount | Self::UserTimeout => {
                domain != Domain::Unix && kind == Kind::Stream
            }
            Self::MulticastHops | Self::MulticastLoop6 => domain == Domain::Inet6,
            _ => domain != Domain::Unix,
        };
        match (fine, domain) {
            (true, _) => Ok(()),
            (false, Domain::Unix) => Err(Errno::EOPNOTSUPP.into()),
            (false, _) => Err(Errno::ENOPROTOOPT.into()),
        }
    }
}

impl Kept {
    pub(super) fn get(&self, advice: Advice, domain: Domain, kind: Kind) -> Result<u32> {
        advice.applies(domain, kind)?;
        let values = self.0.as_deref().unwrap_or(&DEFAULTS);
        Ok(values.get(advice as usize).copied().unwrap_or(0))
    }

    pub(super) fn set(&mut self, advice: Advice, value: u32, domain: Domain, kind: Kind) -> Result<()> {
        advice.applies(domain, kind)?;
        let (least, most) = advice.bounds();
        if !(least..=most).contains(&value) {
            return Err(Errno::EINVAL.into());
        }
        let values = self.0.get_or_insert_with(|| Box::new(DEFAULTS));
        if let Some(slot) = values.get_mut(advice as usize) {
            *slot = value;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_kept_within_its_bounds() {
        let mut kept = Kept::default();
        let (four, stream) = (Domain::Inet, Kind::Stream);
        assert_eq!(kept.get(Advice::KeepIdle, four, stream).unwrap(), 7200);
        kept.set(Advice::KeepIdle, 3, four, stream).unwrap();
        kept.set(Advice::UserTimeout, 10, four, stream).unwrap();
        assert_eq!(kept.get(Advice::KeepIdle, four, stream).unwrap(), 3);
        assert_eq!(kept.set(Advice::KeepIdle, 0, four, stream).unwrap_err(), Errno::EINVAL);
        let refused = |advice, domain, kind| kept.get(advice, domain, kind).unwrap_err().errno();
        assert_eq!(refused(Advice::MulticastHops, four, stream), Errno::ENOPROTOOPT);
        assert_eq!(refused(Advice::KeepCount, four, Kind::Datagram), Errno::ENOPROTOOPT);
        assert_eq!(refused(Advice::TypeOfService, Domain::Unix, stream), Errno::EOPNOTSUPP);
    }
}
