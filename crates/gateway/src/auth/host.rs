//! The `Host` header: what a browser thinks it talks to.
//!
//! A page of the open web can point a name of its own at 127.0.0.1 and so talk to a server of this machine from the user's
//! browser, in its own origin. The browser still says the name in `Host`. A server on loopback without a token therefore
//! answers to names of loopback and of its preview host only.

use http::header::HOST;
use http::request::Parts;

/// Whether a request is addressed to this machine, or to `preview_host` or a name below it.
pub(crate) fn is_ours(head: &Parts, preview_host: Option<&str>) -> bool {
    let mut lines = head.headers.get_all(HOST).iter();
    let (Some(host), None) = (lines.next(), lines.next()) else {
        return false;
    };
    let Ok(host) = host.to_str() else { return false };
    let named = [Some(host), head.uri.authority().map(http::uri::Authority::as_str)];
    named
        .into_iter()
        .flatten()
        .all(|host| is_loopback_name(host) || preview_host.is_some_and(|p| is_below(host, p)))
}

/// Whether a host, with or without a port, names loopback.
pub(crate) fn is_loopback_name(host: &str) -> bool {
    let name = without_port(host);
    if let Some(inner) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        return inner
            .parse::<std::net::Ipv6Addr>()
            .is_ok_and(|address| address.to_canonical().is_loopback());
    }
    if let Ok(address) = name.parse::<std::net::Ipv4Addr>() {
        return address.is_loopback();
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let (rest, last) = name.rsplit_once('.').unwrap_or(("", name));
    last.eq_ignore_ascii_case("localhost")
        && rest
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
}

/// Whether `host` is `preview_host` or a name below it. Both may carry a port, which must then be the same.
pub(crate) fn is_below(host: &str, preview_host: &str) -> bool {
    if host.eq_ignore_ascii_case(preview_host) {
        return true;
    }
    let Some(start) = host.len().checked_sub(preview_host.len()) else {
        return false;
    };
    let (Some(label), Some(rest)) = (host.get(..start), host.get(start..)) else {
        return false;
    };
    label.len() > 1 && label.ends_with('.') && rest.eq_ignore_ascii_case(preview_host)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => {
            // A bare IPv6 address has no brackets and no port; it is not valid in this header either.
            if name.contains(':') && !name.starts_with('[') {
                host
            } else {
                name
            }
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_loopback() {
        for yes in [
            "localhost",
            "LocalHost:6420",
            "a.localhost",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:80",
            "[::1]",
            "localhost.",
        ] {
            assert!(is_loopback_name(yes), "{yes}");
        }
        for no in [
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "128.0.0.1",
            "[::2]",
            "",
            "evil@localhost",
            "::1",
            "0.0.0.0",
        ] {
            assert!(!is_loopback_name(no), "{no}");
        }
    }

    #[test]
    fn names_below_the_preview_host() {
        assert!(is_below("abc.preview.example.com", "preview.example.com"));
        assert!(is_below("Preview.example.com", "preview.example.com"));
        assert!(is_below("t.localhost:6420", "localhost:6420"));
        for no in [
            "evilpreview.example.com",
            ".preview.example.com",
            "example.com",
            "t.localhost:1",
            "ü.com",
        ] {
            assert!(!is_below(no, "preview.example.com"), "{no}");
        }
    }

    #[test]
    fn one_host_line_and_no_other_authority() {
        let head = |uri: &str, hosts: &[&str]| {
            let mut request = http::Request::builder().uri(uri);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            request.body(()).expect("a request").into_parts().0
        };
        assert!(is_ours(&head("/", &["localhost"]), None));
        assert!(!is_ours(&head("/", &["rebound.example.com"]), None));
        assert!(!is_ours(&head("/", &[]), None));
        assert!(!is_ours(&head("/", &["localhost", "example.com"]), None));
        assert!(!is_ours(&head("http://example.com/", &["localhost"]), None));
        assert!(is_ours(&head("/", &["x.p.example.com"]), Some("p.example.com")));
    }
}
