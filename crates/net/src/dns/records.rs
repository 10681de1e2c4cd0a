//! Which records of an answer count, and what of them a guest may see.

use crate::addresses::Verdict;
use core::net::IpAddr;
use hickory_resolver::proto::rr::rdata::HTTPS;
use hickory_resolver::proto::rr::rdata::svcb::{IpHint, SvcParamValue};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// Aliases that are followed in one answer.
const MOST_ALIASES: usize = 16;

/// The address of a record, if it is one of an address.
pub(super) fn address(record: &Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    }
}

/// The addresses that a record tells of: its own, or the hints of a service.
fn all_addresses(record: &Record) -> Vec<IpAddr> {
    let service = match &record.data {
        RData::HTTPS(HTTPS(service)) | RData::SVCB(service) => service,
        _ => return address(record).into_iter().collect(),
    };
    let hints = service.svc_params.iter().flat_map(|(_, value)| match value {
        SvcParamValue::Ipv4Hint(IpHint(hints)) => hints.iter().map(|hint| IpAddr::V4(hint.0)).collect(),
        SvcParamValue::Ipv6Hint(IpHint(hints)) => hints.iter().map(|hint| IpAddr::V6(hint.0)).collect(),
        _ => Vec::new(),
    });
    hints.collect()
}

/// The addresses that belong to `name`: those of the name itself or of what its aliases lead to. Records of other names, which a
/// server may have put beside them, do not count.
pub(super) fn addresses_of(name: &Name, kind: RecordType, records: &[Record]) -> Vec<IpAddr> {
    let chain = chain(name, records);
    records
        .iter()
        .filter(|record| record.record_type() == kind && chain.contains(&&record.name))
        .filter_map(address)
        .collect()
}

/// The name and its aliases, in the order in which they lead on.
fn chain<'a>(name: &'a Name, records: &'a [Record]) -> Vec<&'a Name> {
    let mut chain = vec![name];
    while let Some(next) = alias(chain.last().copied().unwrap_or(name), records) {
        if chain.len() > MOST_ALIASES || chain.contains(&next) {
            break;
        }
        chain.push(next);
    }
    chain
}

fn alias<'a>(name: &Name, records: &'a [Record]) -> Option<&'a Name> {
    records.iter().find_map(|record| match &record.data {
        RData::CNAME(target) if record.name == *name => Some(&target.0),
        _ => None,
    })
}

/// Takes the addresses of names out that are not in the chain of `name`.
pub(super) fn drop_strangers(name: &Name, records: &mut Vec<Record>) {
    let chain: Vec<Name> = chain(name, records).into_iter().cloned().collect();
    records.retain(|record| address(record).is_none() || chain.contains(&record.name));
}

/// Takes the records that tell of a blocked address out; a verdict that took one, if any did.
pub(super) fn drop_blocked(records: &mut Vec<Record>, judge: impl Fn(IpAddr) -> Verdict) -> Option<Verdict> {
    let mut blocked = None;
    records.retain(|record| {
        let verdict = all_addresses(record).into_iter().map(&judge).find(Verdict::is_blocked);
        blocked = blocked.or(verdict);
        verdict.is_none()
    });
    blocked
}
