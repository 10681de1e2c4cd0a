//! From a host and a port to a connected socket: overrides, names, addresses tried against each other.
//!
//! Addresses alternate between the families and each gets a head start before the next is tried too; the first that connects
//! wins. Whom the kernel refuses, it says why, and so does the failure.

use super::control::Control;
use super::failure::{Exit, Failure, Result, reason};
use super::observe::{Observer, Part};
use super::proxy::Proxy;
use super::sys::{self, Family, Interest, Socket, Target};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// An answer that the user gives in place of the name service's, or a place in place of a URL's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Override {
    /// `--resolve HOST:PORT:ADDRESS,...`; host `*` means any.
    Addresses {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// Its addresses.
        addresses: Vec<IpAddr>,
    },
    /// `--connect-to HOST1:PORT1:HOST2:PORT2`; what is empty matches anything or stays.
    Place {
        /// Host and port of the URL.
        from: (String, Option<u16>),
        /// Where to connect.
        to: (String, Option<u16>),
    },
}

/// How connections are made.
#[derive(Debug, Clone, Default)]
pub struct Dialer {
    /// Families to use.
    pub family: Family,
    /// Overrides, the first that matches wins.
    pub overrides: Vec<Override>,
    /// A socket in the file system for everything.
    pub unix: Option<PathBuf>,
}

impl Dialer {
    /// Where a connection for `host` and `port` goes.
    pub(super) fn place(&self, host: &str, port: u16) -> (String, u16) {
        let matching = self.overrides.iter().find_map(|entry| match entry {
            Override::Place { from, to } => {
                let host_fits = from.0.is_empty() || from.0.eq_ignore_ascii_case(host);
                (host_fits && from.1.is_none_or(|wanted| wanted == port)).then_some(to)
            }
            Override::Addresses { .. } => None,
        });
        match matching {
            Some((to, to_port)) => {
                let to = if to.is_empty() { host } else { to };
                (to.to_owned(), to_port.unwrap_or(port))
            }
            None => (host.to_owned(), port),
        }
    }

    /// Connects to the Unix socket, the proxy, or the place itself.
    pub(super) fn connect(
        &self,
        (host, port): (&str, u16),
        proxy: Option<&Proxy>,
        control: &mut Control,
        observer: &mut dyn Observer,
    ) -> Result<Socket> {
        control.connecting();
        let began = Instant::now();
        if let Some(path) = &self.unix {
            observer.note(Part::Info(&format!("  Trying {}...", path.display())));
            let target = Target::Unix(path.clone());
            let socket = race(vec![target], control, observer).map_err(|attempt| match attempt {
                Attempt::Gave(failure) => failure,
                Attempt::Failed(_) => could_not(host, port, began, None),
            })?;
            return Ok(socket);
        }
        let (name, number, exit) = match proxy {
            Some(proxy) => (proxy.host.as_str(), proxy.port, Exit::ResolveProxy),
            None => (host, port, Exit::ResolveHost),
        };
        let found = self.addresses(name, number);
        let addresses = found.map_err(|error| unresolved(exit, name, &error))?;
        control.times.lookup = control.elapsed();
        if addresses.is_empty() {
            return Err(unresolved(exit, name, &io::ErrorKind::NotFound.into()));
        }
        let local = addresses.iter().all(IpAddr::is_loopback);
        let targets = alternating(addresses)
            .into_iter()
            .map(|address| Target::Inet(SocketAddr::new(address, number)))
            .collect();
        race(targets, control, observer).map_err(|attempt| match attempt {
            Attempt::Gave(failure) => failure,
            Attempt::Failed(error) => {
                let mut failure = could_not(name, number, began, error.as_ref());
                // The guard refuses a port of the loopback at which no program of the VM listens yet.
                failure.refused |= local && error.as_ref().is_some_and(denied);
                observer.note(Part::Info(&failure.text));
                failure
            }
        })
    }

    /// Addresses of a name, as overridden, as written, or as the name service says.
    pub(super) fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<IpAddr>> {
        for entry in &self.overrides {
            if let Override::Addresses {
                host: known,
                port: at,
                addresses,
            } = entry
                && *at == port
                && (known == "*" || known.eq_ignore_ascii_case(host))
            {
                return Ok(addresses.iter().copied().filter(|a| self.family.admits(*a)).collect());
            }
        }
        let fixed = match host.split('%').next().unwrap_or_default().parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) if is_localhost(host) => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            Err(_) => return sys::resolve(host, self.family),
        };
        Ok(fixed
            .into_iter()
            .filter(|address| self.family.admits(*address))
            .collect())
    }
}

/// The name of this machine never asks a name service.
fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// The addresses with the families taking turns, the first address staying first.
fn alternating(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let first = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (same, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let mut other = other.into_iter();
    let mut out = Vec::new();
    for address in same {
        out.push(address);
        out.extend(other.next());
    }
    out.extend(other);
    out.truncate(MOST_ADDRESSES);
    out
}

enum Attempt {
    /// The whole transfer is over.
    Gave(Failure),
    /// All addresses failed; the last error.
    Failed(Option<io::Error>),
}

impl From<Failure> for Attempt {
    fn from(failure: Failure) -> Self {
        Self::Gave(failure)
    }
}

fn race(targets: Vec<Target>, control: &mut Control, observer: &mut dyn Observer) -> Result<Socket, Attempt> {
    let mut waiting = targets.into_iter().peekable();
    let mut running: Vec<(Socket, String)> = Vec::new();
    let mut last = None;
    loop {
        if let Some(target) = waiting.next() {
            let shown = shown(&target);
            if matches!(target, Target::Inet(_)) {
                observer.note(Part::Info(&format!("  Trying {shown}...")));
            }
            match Socket::connect(&target) {
                Ok(socket) => running.push((socket, shown)),
                Err(error) => {
                    failed_one(&shown, &error, observer);
                    last = Some(preferred(last, error));
                    continue;
                }
            }
        } else if running.is_empty() {
            return Err(Attempt::Failed(last));
        }
        let until = waiting.peek().is_some().then(|| Instant::now() + HEAD_START);
        while !running.is_empty() {
            let mut interests: Vec<Interest<'_>> = running
                .iter()
                .map(|(socket, _)| Interest::new(socket.fd(), false, true))
                .collect();
            if !control.wait_until(&mut interests, until)? {
                break;
            }
            let at = interests.iter().position(|interest| interest.ready).unwrap_or(0);
            let (socket, shown) = running.swap_remove(at);
            match socket.connected() {
                Ok(()) => return Ok(socket),
                Err(error) => {
                    failed_one(&shown, &error, observer);
                    last = Some(preferred(last, error));
                }
            }
        }
    }
}

/// Of two errors the one that tells more: a refusal by the kernel outweighs an address where nobody listens.
fn preferred(earlier: Option<io::Error>, later: io::Error) -> io::Error {
    match earlier {
        Some(error) if denied(&error) => error,
        _ => later,
    }
}

fn denied(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

fn shown(target: &Target) -> String {
    match target {
        Target::Inet(address) => address.to_string(),
        Target::Unix(path) => path.display().to_string(),
    }
}

fn failed_one(shown: &str, error: &io::Error, observer: &mut dyn Observer) {
    let (place, port) = shown.rsplit_once(':').unwrap_or((shown, ""));
    let place = place.trim_matches(['[', ']']);
    let text = format!("connect to {place} port {port} failed: {}", reason(error));
    observer.note(Part::Info(&text));
}

fn could_not(host: &str, port: u16, began: Instant, error: Option<&io::Error>) -> Failure {
    let why = match error {
        Some(error) if denied(error) => sys::last_denial().unwrap_or_else(|| reason(error)),
        _ => "Couldn't connect to server".to_owned(),
    };
    let text = format!(
        "Failed to connect to {host} port {port} after {} ms: {why}",
        began.elapsed().as_millis()
    );
    let mut failure = Failure::new(Exit::Connect, text);
    failure.refused = error.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    failure
}

fn unresolved(exit: Exit, name: &str, error: &io::Error) -> Failure {
    let what = if exit == Exit::ResolveProxy { "proxy" } else { "host" };
    let why = if denied(error) {
        format!(" ({})", sys::last_denial().unwrap_or_else(|| reason(error)))
    } else {
        String::new()
    };
    Failure::new(exit, format!("Could not resolve {what}: {name}{why}"))
}

/// How long an address is tried alone.
const HEAD_START: Duration = Duration::from_millis(200);
/// Most addresses of a name that are tried.
const MOST_ADDRESSES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let addresses = ["::1", "::2", "1.1.1.1", "::3", "2.2.2.2"].map(|text| text.parse().unwrap());
        let found: Vec<String> = alternating(addresses.to_vec())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, ["::1", "1.1.1.1", "::2", "2.2.2.2", "::3"]);
    }

    #[test]
    fn overrides_come_before_names_and_places_before_both() {
        let dialer = Dialer {
            overrides: vec![
                Override::Addresses {
                    host: "a.example".to_owned(),
                    port: 80,
                    addresses: vec!["127.0.0.9".parse().unwrap()],
                },
                Override::Place {
                    from: (String::new(), Some(80)),
                    to: ("b.example".to_owned(), None),
                },
            ],
            ..Dialer::default()
        };
        assert_eq!(
            dialer.addresses("A.example", 80).unwrap(),
            ["127.0.0.9".parse::<IpAddr>().unwrap()]
        );
        assert_eq!(dialer.place("x", 80), ("b.example".to_owned(), 80));
        assert_eq!(dialer.place("x", 81), ("x".to_owned(), 81));
        assert_eq!(dialer.addresses("localhost", 1).unwrap().len(), 2);
    }
}
