//! Routes that tell about, or end, actors of others: deleting, listing without an exact key, administration.

use http::HeaderMap;

use crate::Peer;

/// Whether a request may use an administrative route of a gateway without a token: only from this machine, and only when
/// nobody says that it came through a proxy, whose own address would say nothing about the real sender.
pub(crate) fn is_local(peer: &Peer, headers: &HeaderMap) -> bool {
    peer.is_loopback() && !headers.keys().any(|name| is_forwarding(name.as_str()))
}

pub(crate) fn is_forwarding(name: &str) -> bool {
    name == "forwarded" || name == "via" || name == "x-real-ip" || name.starts_with("x-forwarded-")
}

#[cfg(test)]
mod tests {
    use super::is_forwarding;

    #[test]
    fn headers_of_proxies() {
        assert!(
            ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-real-ip", "via"]
                .iter()
                .all(|n| is_forwarding(n))
        );
        assert!(
            ["host", "forwarded-not", "x-forward"]
                .iter()
                .all(|name| !is_forwarding(name))
        );
    }
}
