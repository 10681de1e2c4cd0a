//! Which name servers are asked.

use core::net::SocketAddr;
use std::net::IpAddr;
use std::sync::OnceLock;

/// Servers that are used at most, as `resolv.conf(5)` has it.
pub(super) const MOST: usize = 3;
const PORT: u16 = 53;
const FILE: &str = "/etc/resolv.conf";

static HOST: OnceLock<Vec<SocketAddr>> = OnceLock::new();

/// The host's servers, read once.
pub(super) fn of_host() -> &'static [SocketAddr] {
    HOST.get_or_init(|| parse(&std::fs::read_to_string(FILE).unwrap_or_default()))
}

/// The lines `nameserver ADDRESS`. Everything else in the file is about names that agentOS does not complete.
fn parse(text: &str) -> Vec<SocketAddr> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            if words.next() != Some("nameserver") {
                return None;
            }
            let address: IpAddr = words.next()?.parse().ok()?;
            Some(SocketAddr::new(address, PORT))
        })
        .take(MOST)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_are_taken() {
        let text = "# nameserver 1.1.1.1\nsearch corp.example\nnameserver 10.0.0.2\noptions ndots:5\n nameserver fd00::1\nnameserver x\n\
                    nameserver 10.0.0.3 # why\nnameserver 10.0.0.4\n";
        let servers: Vec<String> = parse(text).iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.2:53", "[fd00::1]:53", "10.0.0.3:53"]);
    }
}
