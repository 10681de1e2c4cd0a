//! Network patterns and decisions.
//!
//! A pattern is `scheme://host:port` with optional scheme and port; the host goes into the automaton of the scope, scheme
//! and port become the [`Reach`] of the entry. A request is a candidate set (see [`NetworkTarget`]): the decision looks for
//! the last rule that matches any candidate.
//!
//! Two things are allowed without a rule. Before all rules stands the implied one: a VM may listen on its own loopback and
//! connect to what listens there. And a name may be looked up when a connection to it would be allowed on some port, or
//! an allow list would have to name everything twice.

use super::glob::{self, Kind};
use super::host::{self, Host, InvalidHost};
use super::matcher::GaveUp;
use super::operation::Operation;
use super::rules::{Hit, Mode, RuleSet, Source, Verdict};
use super::target::{NetworkTarget, Protocol};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use smallvec::SmallVec;

/// Which requests to a host a pattern covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    schemes: u8,
    /// Any port if none.
    port: Option<u16>,
}

/// A normalised request.
#[derive(Debug)]
pub(super) struct Request {
    operation: Operation,
    scheme: u8,
    /// Candidates; the first is the one that errors name.
    pub(super) hosts: SmallVec<[Host; 4]>,
    port: Option<u16>,
    own_listener: bool,
}

impl Reach {
    pub(super) const ANY: Self = Self {
        schemes: TCP | UDP | DNS,
        port: None,
    };

    /// Splits a pattern into the regular expression of its host (none if it matches everything) and its reach.
    pub(super) fn parse(pattern: &str) -> Result<(Option<String>, Self), String> {
        if glob::is_everything(Kind::Host, pattern) {
            return Ok((None, Self::ANY));
        }
        let (scheme, rest) = split_scheme(pattern)?;
        let (host, port) = split_port(rest, pattern)?;
        let host = host_expression(host, pattern)?;
        let port = port.map(parse_port).transpose()?;
        let schemes = match (scheme, port) {
            (Some(DNS), Some(Some(_))) => return Err(format!("dns:// patterns have no port, got {pattern:?}")),
            (Some(scheme), _) => scheme,
            (None, Some(_)) => TCP | UDP,
            (None, None) => TCP | UDP | DNS,
        };
        let port = port.flatten();
        Ok((Some(host), Self { schemes, port }))
    }

    fn covers(self, scheme: u8, port: Option<u16>) -> bool {
        self.schemes & scheme != 0 && (self.port.is_none() || self.port == port)
    }
}

impl Request {
    /// Reads the candidates of a target.
    pub(super) fn new(operation: Operation, target: &NetworkTarget<'_>) -> Result<Self, InvalidHost> {
        let mut hosts = SmallVec::new();
        for name in target
            .name
            .into_iter()
            .chain(target.known_as.iter().map(|name| &**name))
        {
            hosts.push(Host::parse(name)?);
        }
        hosts.extend(target.address.map(Host::from));
        let protocol = match target.protocol {
            Protocol::Tcp => TCP,
            Protocol::Udp => UDP,
        };
        Ok(Self::complete(
            operation,
            protocol,
            hosts,
            target.port,
            target.own_listener,
        ))
    }

    /// Reads resources as a configuration writes them: `tcp://host:port`, `udp://host:port`, `dns://host`; the scheme may
    /// be left out where the operation has only one.
    pub(super) fn parse(operation: Operation, resources: &[&str]) -> Result<Self, String> {
        let mut hosts = SmallVec::new();
        let mut known: Option<(u8, Option<u16>)> = None;
        for resource in resources {
            let (scheme, rest) = split_scheme(resource)?;
            let (host, port) = split_port(rest, resource)?;
            let scheme = accept_scheme(operation, scheme, resource)?;
            let port = match port {
                None => None,
                Some(text) => Some(
                    text.parse::<u16>()
                        .map_err(|_| format!("port must be 0 to 65535, got {text:?}"))?,
                ),
            };
            match (operation, port) {
                (Operation::NetworkDns, Some(_)) => return Err(format!("a lookup has no port, got {resource:?}")),
                (Operation::NetworkDns, None) | (_, Some(_)) => {}
                (_, None) => return Err(format!("needs a port, got {resource:?}")),
            }
            if *known.get_or_insert((scheme, port)) != (scheme, port) {
                return Err("candidates must have one scheme and port".to_owned());
            }
            hosts.push(Host::parse(host).map_err(|reason| format!("host {reason}, got {resource:?}"))?);
        }
        let (scheme, port) = known.ok_or("needs a resource")?;
        Ok(Self::complete(operation, scheme, hosts, port, false))
    }

    /// Adds the candidates that follow from others.
    fn complete(
        operation: Operation,
        protocol: u8,
        mut hosts: SmallVec<[Host; 4]>,
        port: Option<u16>,
        own_listener: bool,
    ) -> Self {
        let operation = operation.canonical();
        let (scheme, port) = match operation {
            Operation::NetworkDns => (DNS, None),
            Operation::NetworkUdp => (UDP, port),
            Operation::NetworkListen => (protocol, port),
            _ => (TCP, port),
        };
        // A wildcard listener is at both loopback addresses; a connection to a wildcard goes to the one of its family.
        if hosts.iter().any(Host::is_unspecified) {
            let listens = operation == Operation::NetworkListen;
            let v4 = listens
                || hosts
                    .iter()
                    .any(|host| host.address() == Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
            let v6 = listens
                || hosts
                    .iter()
                    .any(|host| host.address() == Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)));
            hosts.retain(|host| !host.is_unspecified());
            hosts.extend(v4.then(|| Host::from(IpAddr::V4(Ipv4Addr::LOCALHOST))));
            hosts.extend(v6.then(|| Host::from(IpAddr::V6(Ipv6Addr::LOCALHOST))));
        }
        let loopback = |host: &Host| host.address().is_some_and(|address| address.is_loopback());
        if operation != Operation::NetworkDns && hosts.iter().any(loopback) {
            hosts.extend(Host::parse("localhost"));
        }
        Self {
            operation,
            scheme,
            hosts,
            port,
            own_listener,
        }
    }

    /// `scheme://host:port` of the candidate at this position.
    pub(super) fn resource(&self, candidate: usize) -> String {
        let scheme = match self.scheme {
            UDP => "udp",
            DNS => "dns",
            _ => "tcp",
        };
        let host = self
            .hosts
            .get(candidate)
            .or(self.hosts.first())
            .map_or("", Host::as_str);
        match self.port {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        }
    }

    fn texts(&self) -> SmallVec<[&[u8]; 4]> {
        self.hosts.iter().map(|host| host.as_str().as_bytes()).collect()
    }
}

impl RuleSet {
    /// Decides about a network request.
    pub(super) fn decide_network(&self, request: &Request) -> Verdict {
        let texts = request.texts();
        let covers = |reach: &Reach| reach.covers(request.scheme, request.port);
        match self.last(request.operation.bit(), &texts, covers) {
            Ok(Some(hit)) => return self.verdict(hit),
            Ok(None) => {}
            Err(GaveUp) => return Verdict::REFUSED,
        }
        let allow = |source| Verdict {
            mode: Mode::Allow,
            source,
        };
        let local = request.hosts.iter().any(Host::is_loopback);
        match request.operation {
            Operation::NetworkDns if self.default == Mode::Deny => {
                self.reachable(&texts, local).map_or(self.by_default(), allow)
            }
            Operation::NetworkListen if local => allow(Source::Implied),
            Operation::NetworkHttp | Operation::NetworkUdp if local && request.own_listener => allow(Source::Implied),
            _ => self.by_default(),
        }
    }

    /// What allows a stream or a datagram to the host on some port, when the default denies.
    fn reachable(&self, texts: &[&[u8]], local: bool) -> Option<Source> {
        let ways = [(Operation::NetworkHttp, TCP), (Operation::NetworkUdp, UDP)];
        ways.iter().find_map(|&(operation, scheme)| {
            let mut hits = self.hits(texts, operation.bit(), scheme).ok()?;
            hits.sort_by_key(|&(hit, _)| (core::cmp::Reverse(hit.rule), hit.pattern));
            match self.some_port(&hits) {
                SomePort::Allowed(hit) => Some(Source::Rule(hit)),
                SomePort::Undecided if local => Some(Source::Implied),
                SomePort::Undecided | SomePort::Denied => None,
            }
        })
    }

    /// Every rule with the operation that matches the host, and on which port.
    fn hits(&self, texts: &[&[u8]], bit: u32, scheme: u8) -> Result<Vec<(Hit, Option<u16>)>, GaveUp> {
        let has_operation = |hit: &Hit| self.rule(*hit).is_some_and(|rule| rule.operations & bit != 0);
        let always = self.always.iter().copied().filter(has_operation);
        let mut hits: Vec<_> = always.map(|hit| (hit, None)).collect();
        for text in texts {
            let Some(matcher) = &self.matcher else { break };
            matcher.each(text, |index| {
                if let Some(entry) = self.entries.get(index)
                    && entry.reach.schemes & scheme != 0
                    && has_operation(&entry.hit)
                {
                    hits.push((entry.hit, entry.reach.port));
                }
            })?;
        }
        Ok(hits)
    }

    /// Walks from the last rule to the first. A port is decided by the first rule met that covers it; as rules name fewer
    /// ports than there are, one that no rule names is always left until a rule covers them all.
    fn some_port(&self, hits: &[(Hit, Option<u16>)]) -> SomePort {
        let mut denied: Vec<u16> = Vec::new();
        for &(hit, port) in hits {
            let mode = self.rule(hit).map_or(Mode::Deny, |rule| rule.mode);
            match (mode, port) {
                (Mode::Allow, None) => return SomePort::Allowed(hit),
                (Mode::Allow, Some(port)) if !denied.contains(&port) => return SomePort::Allowed(hit),
                (Mode::Allow, Some(_)) => {}
                (Mode::Deny, None) => return SomePort::Denied,
                (Mode::Deny, Some(port)) => denied.push(port),
            }
        }
        SomePort::Undecided
    }
}

/// Whether some port of a host can be reached.
enum SomePort {
    Allowed(Hit),
    Denied,
    /// No rule covers the ports that none names.
    Undecided,
}

fn split_scheme(text: &str) -> Result<(Option<u8>, &str), String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok((None, text));
    };
    let default_port = match scheme.to_ascii_lowercase().as_str() {
        "tcp" => return Ok((Some(TCP), rest)),
        "udp" => return Ok((Some(UDP), rest)),
        "dns" => return Ok((Some(DNS), rest)),
        "https" | "wss" => Some(443),
        "http" | "ws" => Some(80),
        "ssh" | "sftp" => Some(22),
        "ftp" => Some(21),
        _ => None,
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let hint = match (default_port, split_port(host, host)) {
        (Some(_), Ok((host, Some(port)))) => format!("; use tcp://{host}:{port}"),
        (Some(port), _) => format!("; use tcp://{host}:{port}"),
        (None, _) => String::new(),
    };
    Err(format!("scheme must be tcp, udp or dns, got {scheme:?}{hint}"))
}

/// Splits `host:port`; an IPv6 address is in brackets.
fn split_port<'a>(text: &'a str, whole: &str) -> Result<(&'a str, Option<&'a str>), String> {
    if let Some(hint) = url_part(text) {
        return Err(format!("{hint}, got {whole:?}"));
    }
    let (host, port) = match text.rfind(']') {
        Some(end) if text.starts_with('[') => match text[end + 1..].strip_prefix(':') {
            Some(port) => (&text[..=end], Some(port)),
            None if end + 1 == text.len() => (text, None),
            None => return Err(format!("must be host or host:port, got {whole:?}")),
        },
        _ => match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(format!("IPv6 addresses are written in brackets, got {whole:?}"));
            }
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    match host {
        "" => Err(format!("host must not be empty, got {whole:?}")),
        _ => Ok((host, port)),
    }
}

/// Why a part of a URL has no place in a pattern.
fn url_part(text: &str) -> Option<&'static str> {
    let (before, after) = text.split_once('/').unwrap_or((text, ""));
    if text.contains('@') {
        return Some("must not contain userinfo (user@)");
    }
    if text.contains('/') {
        let number = !after.is_empty() && after.bytes().all(|byte| byte.is_ascii_digit());
        let address = before.starts_with('[') || before.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        return Some(match number && address {
            true => "address blocks (CIDR) are not supported; name addresses, or use '*' within one",
            false => "must not contain a path",
        });
    }
    text.contains('#').then_some("must not contain a fragment")
}

fn host_expression(host: &str, pattern: &str) -> Result<String, String> {
    let wrong = |reason: InvalidHost| format!("host {reason}, got {pattern:?}");
    let literal = |host: Host| glob::regex(Kind::Host, host.as_str());
    if host.starts_with('[') {
        return Host::parse(host).map(literal).map_err(wrong);
    }
    if !host.contains(['*', '?']) {
        if let Some(problem) = glob::problem(Kind::Host, host) {
            return Err(problem);
        }
        return Host::parse(host).map(literal).map_err(wrong);
    }
    if let Some(problem) = glob::problem(Kind::Host, host) {
        return Err(problem);
    }
    let mixed = |label: &str| !label.is_ascii() && label.contains(['*', '?']);
    if host.split(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']).any(mixed) {
        return Err(format!("a label with a wildcard must be ASCII (xn--), got {pattern:?}"));
    }
    let host = host::normalise_name(host).map_err(wrong)?;
    Ok(glob::regex(Kind::Host, &host))
}

/// A port of a pattern; none for `*`.
fn parse_port(text: &str) -> Result<Option<u16>, String> {
    if text == "*" {
        return Ok(None);
    }
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if digits && port > 0 => Ok(Some(port)),
        _ => Err(format!("port must be 1 to 65535 or '*', got {text:?}")),
    }
}

fn accept_scheme(operation: Operation, scheme: Option<u8>, resource: &str) -> Result<u8, String> {
    let (accepted, name) = match operation.canonical() {
        Operation::NetworkDns => (DNS, "dns"),
        Operation::NetworkUdp => (UDP, "udp"),
        Operation::NetworkListen => (TCP | UDP, "tcp or udp"),
        _ => (TCP, "tcp"),
    };
    match scheme {
        Some(scheme) if scheme & accepted != 0 => Ok(scheme),
        Some(_) => Err(format!("{operation} is about {name}://, got {resource:?}")),
        None if accepted == TCP | UDP => Ok(TCP),
        None => Ok(accepted),
    }
}

const TCP: u8 = 1;
const UDP: u8 = 2;
const DNS: u8 = 4;
