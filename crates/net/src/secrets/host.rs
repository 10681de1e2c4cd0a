//! Which hosts a secret is for.

use core::fmt;

/// A host name or `*.` and a domain, with or without a port. Normalised: lower case, ASCII, no final dot.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HostPattern {
    /// The name; for a wildcard what follows `*.`.
    name: String,
    wildcard: bool,
    /// Absent for any port.
    port: Option<u16>,
}

/// Labels that a wildcard must leave fixed: `*.com` would give a secret to everybody.
const WILDCARD_LABELS: usize = 2;

impl HostPattern {
    /// Reads `host`, `host:port`, `*.domain` or `*.domain:port`.
    ///
    /// # Errors
    /// What is wrong and what is accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let accepted = |reason: &str| {
            let text: String = text.chars().take(128).collect();
            format!(
                "{reason}, got {text:?}; accepted are \"api.example.com\", \"*.example.com\" and both with \":443\""
            )
        };
        if text.contains("://") {
            return Err(accepted("must be a host without a scheme"));
        }
        if text.contains(['/', '@']) {
            return Err(accepted("must be a host without user or path"));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (
                host,
                Some(parse_port(port).ok_or_else(|| accepted("port must be 1 to 65535"))?),
            ),
            None => (text, None),
        };
        let (wildcard, name) = host.strip_prefix("*.").map_or((false, host), |rest| (true, rest));
        if name.contains('*') {
            return Err(accepted("\"*\" may only stand at the beginning, before a dot"));
        }
        let name = normalize(name).ok_or_else(|| accepted("must be a host name"))?;
        if name.parse::<std::net::Ipv4Addr>().is_ok() {
            return Err(accepted("must be a name, not an address"));
        }
        if wildcard && name.split('.').count() < WILDCARD_LABELS {
            return Err(accepted("is too wide"));
        }
        Ok(Self { name, wildcard, port })
    }

    /// Whether it covers a normalised name at a port.
    pub fn matches(&self, name: &str, port: u16) -> bool {
        self.port.is_none_or(|own| own == port) && self.matches_name(name)
    }

    /// Whether it covers a normalised name at some port.
    pub(crate) fn matches_name(&self, name: &str) -> bool {
        if !self.wildcard {
            return name == self.name;
        }
        let Some(below) = name.strip_suffix(&self.name).and_then(|rest| rest.strip_suffix('.')) else {
            return false;
        };
        !below.is_empty()
    }

    /// The subtree of names, as a certificate's constraint says it: `example.com`, or `.example.com` for what is below.
    pub(crate) fn subtree(&self) -> String {
        let dot = if self.wildcard { "." } else { "" };
        format!("{dot}{}", self.name)
    }

    /// Whether it is one name and not all below a domain.
    pub(crate) fn is_exact(&self) -> bool {
        !self.wildcard
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.wildcard { "*." } else { "" };
        write!(f, "{star}{}", self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn parse_port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

/// A host name in the form in which names are compared, or nothing if it cannot be one: ASCII labels of letters, digits, `-`
/// and `_` in lower case, without the final dot.
pub(crate) fn normalize(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let ascii = match name.is_ascii() {
        true => name.to_ascii_lowercase(),
        false => idna::domain_to_ascii(name).ok()?,
    };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
    };
    (ascii.len() <= 253 && ascii.split('.').all(label)).then_some(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        HostPattern::parse(text).unwrap()
    }

    #[test]
    fn names_and_wildcards_match_what_they_say() {
        assert!(pattern("API.Example.com.").matches("api.example.com", 443));
        assert!(!pattern("api.example.com").matches("x.api.example.com", 443));
        assert!(!pattern("api.example.com").matches("xapi.example.com", 443));
        assert!(pattern("*.example.com").matches("a.b.example.com", 80));
        assert!(!pattern("*.example.com").matches("example.com", 80));
        assert!(!pattern("*.example.com").matches("badexample.com", 80));
        assert!(pattern("a.example.com:8443").matches("a.example.com", 8443));
        assert!(!pattern("a.example.com:8443").matches("a.example.com", 443));
        assert!(pattern("bücher.example").matches("xn--bcher-kva.example", 443));
        assert!(pattern("localhost:8080").matches("localhost", 8080));
    }

    #[test]
    fn what_is_no_host_is_refused_and_said() {
        for (text, reason) in [
            ("", "host name"),
            ("*", "only stand"),
            ("**", "only stand"),
            ("*.com", "too wide"),
            ("*.", "host name"),
            ("a.*.example.com", "only stand"),
            ("api-*.example.com", "only stand"),
            ("https://api.example.com", "scheme"),
            ("tcp://api.example.com", "scheme"),
            ("user@api.example.com", "user"),
            ("api.example.com/v1", "path"),
            ("api.example.com:0", "port"),
            ("api.example.com:", "port"),
            ("api.example.com:+80", "port"),
            ("api.example.com:65536", "port"),
            ("api.example.com:https", "port"),
            ("127.0.0.1", "address"),
            ("::1", "host name"),
            ("[::1]:443", "host name"),
            ("a..b", "host name"),
            ("a b.example.com", "host name"),
            ("a\nb.example.com", "host name"),
            (".example.com", "host name"),
        ] {
            let error = HostPattern::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }

    #[test]
    fn it_prints_as_it_is_written() {
        for text in ["api.example.com", "*.example.com:443"] {
            assert_eq!(pattern(text).to_string(), text);
        }
    }
}
