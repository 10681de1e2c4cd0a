//! From a name to the addresses that a guest may know of it.

use super::records;
use super::resolver::Answer;
use crate::denial::Denial;
use crate::guard::Shared;
use agentos_kernel::net::Domain;
use agentos_kernel::{Errno, Error, Result};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use hickory_resolver::proto::rr::{Name, RecordType};
use std::time::Instant;

/// Both loopback addresses, for names that mean the VM itself.
const LOCALHOST: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// How long an answer is good for that no server gave.
pub(crate) const LASTING: Duration = Duration::from_secs(3600);

/// Whether the name means the machine itself and is never looked up.
pub(crate) fn is_local(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

impl Shared {
    /// The answer that needs no server, if there is one.
    pub(crate) fn known_addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        if is_local(name) {
            return Some(LOCALHOST.to_vec());
        }
        self.config.dns.overrides.get(name).cloned()
    }

    /// The addresses of a normalised name, blocked ones taken out, IPv4 first. Each is remembered with the name.
    pub(crate) async fn look_up(&self, name: &str, family: Option<Domain>) -> Result<Vec<IpAddr>> {
        match self.known_addresses(name) {
            Some(known) => self.judge(name, known, family, LASTING),
            None => self.ask_servers(name, family).await,
        }
    }

    async fn ask_servers(&self, name: &str, family: Option<Domain>) -> Result<Vec<IpAddr>> {
        let absolute = absolute(name)?;
        let resolver = self.resolver()?;
        let _turn = resolver.turn().await?;
        let ask = |kind, domain| {
            let (resolver, name) = (&resolver, absolute.clone());
            async move {
                match family {
                    Some(wanted) if wanted != domain => None,
                    _ => Some(resolver.ask(name, kind).await),
                }
            }
        };
        let (v4, v6) = tokio::join!(ask(RecordType::A, Domain::Inet), ask(RecordType::AAAA, Domain::Inet6));
        let mut found = Vec::new();
        let mut lifetime = LASTING;
        for (answer, kind) in [(&v4, RecordType::A), (&v6, RecordType::AAAA)] {
            if let Some(Ok(Answer::Found(lookup))) = answer {
                found.extend(records::addresses_of(&absolute, kind, lookup.answers()));
                lifetime = lifetime.min(lookup.valid_until().saturating_duration_since(Instant::now()));
            }
        }
        if found.is_empty() {
            return Err(nothing(&[v4, v6]));
        }
        self.judge(name, found, family, lifetime)
    }

    /// Takes blocked addresses and those of another family out, and remembers the rest with the name.
    pub(crate) fn judge(
        &self,
        name: &str,
        addresses: Vec<IpAddr>,
        family: Option<Domain>,
        lifetime: Duration,
    ) -> Result<Vec<IpAddr>> {
        let mut kept: Vec<IpAddr> = Vec::new();
        let mut blocked = None;
        for address in addresses.into_iter().filter(|address| is_of(*address, family)) {
            let verdict = self.classify(address);
            if verdict.is_blocked() {
                blocked.get_or_insert(verdict);
            } else if kept.len() < MOST_ADDRESSES && !kept.contains(&address) {
                kept.push(address);
            }
        }
        match (kept.is_empty(), blocked) {
            (true, Some(verdict)) => return Err(self.ledger.refused(&Denial::lookup(name, verdict))),
            (true, None) => return Err(Errno::ENODATA.into()),
            (false, _) => {}
        }
        kept.sort_by_key(IpAddr::is_ipv6);
        self.remember(name, &kept, lifetime);
        Ok(kept)
    }

    /// Remembers that the name led to these addresses.
    pub(crate) fn remember(&self, name: &str, addresses: &[IpAddr], lifetime: Duration) {
        let now = Instant::now();
        for address in addresses {
            self.names.record(*address, name, lifetime, now);
        }
    }
}

/// Whether the address is of the family that is asked for.
pub(super) fn is_of(address: IpAddr, family: Option<Domain>) -> bool {
    match family {
        None => true,
        Some(Domain::Inet) => address.is_ipv4(),
        Some(Domain::Inet6) => address.is_ipv6(),
        Some(Domain::Unix) => false,
    }
}

/// The name as DNS has it.
pub(crate) fn absolute(name: &str) -> Result<Name> {
    let mut name = Name::from_ascii(name).map_err(|_| Error::from(Errno::EINVAL))?;
    name.set_fqdn(true);
    Ok(name)
}

/// Why there is no address.
fn nothing(answers: &[Option<Result<Answer>>]) -> Error {
    let answers = || answers.iter().flatten();
    let unknown = answers().any(|answer| answer.as_ref().is_ok_and(Answer::is_unknown_name));
    let failed = answers().find_map(|answer| answer.as_ref().err());
    match (unknown, failed) {
        (true, _) => Errno::ENOENT.into(),
        (false, Some(error)) => error.clone(),
        (false, None) => Errno::ENODATA.into(),
    }
}

/// Addresses of one name that a guest gets to know.
const MOST_ADDRESSES: usize = 64;
