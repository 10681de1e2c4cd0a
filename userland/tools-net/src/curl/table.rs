//! Every option of curl by its names and by what follows it. What this curl does not have stands here too, so that it is
//! refused by name instead of being taken for a mistake.

/// What follows an option, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing; `--no-NAME` switches it off.
    Flag,
    /// An argument.
    Value,
    /// Nothing, and it changes nothing here.
    Idle,
    /// An argument, and it changes nothing here.
    IdleValue,
    /// It is not in this curl.
    Absent,
}

use Kind::{Absent, Flag, Idle, IdleValue, Value};

/// An option: long name, letter or NUL, kind.
pub(super) type Entry = (&'static str, char, Kind);

/// The option of a letter.
pub(super) fn short(letter: char) -> Option<&'static Entry> {
    OPTIONS.iter().find(|entry| entry.1 == letter)
}

/// The option of a long name or of an unambiguous beginning of it.
pub(super) fn long(name: &str) -> Result<&'static Entry, &'static str> {
    if let Some(entry) = OPTIONS.iter().find(|entry| entry.0 == name) {
        return Ok(entry);
    }
    let mut fitting = OPTIONS.iter().filter(|entry| entry.0.starts_with(name));
    match (fitting.next(), fitting.next()) {
        (Some(entry), None) => Ok(entry),
        (Some(_), Some(_)) => Err("is ambiguous"),
        _ => Err("is unknown"),
    }
}

const NONE: char = '\0';

const OPTIONS: &[Entry] = &[
    ("abstract-unix-socket", NONE, Absent),
    ("alt-svc", NONE, Absent),
    ("anyauth", NONE, Absent),
    ("append", 'a', Absent),
    ("aws-sigv4", NONE, Absent),
    ("basic", NONE, Idle),
    ("cacert", NONE, Value),
    ("capath", NONE, Absent),
    ("cert", 'E', Value),
    ("cert-type", NONE, Absent),
    ("ciphers", NONE, Absent),
    ("compressed", NONE, Flag),
    ("config", 'K', Value),
    ("connect-timeout", NONE, Value),
    ("connect-to", NONE, Value),
    ("continue-at", 'C', Value),
    ("cookie", 'b', Value),
    ("cookie-jar", 'c', Value),
    ("create-dirs", NONE, Flag),
    ("create-file-mode", NONE, Absent),
    ("crlf", NONE, Absent),
    ("data", 'd', Value),
    ("data-ascii", NONE, Value),
    ("data-binary", NONE, Value),
    ("data-raw", NONE, Value),
    ("data-urlencode", NONE, Value),
    ("digest", NONE, Absent),
    ("disable", 'q', Idle),
    ("disallow-username-in-url", NONE, Flag),
    ("dns-servers", NONE, Absent),
    ("doh-url", NONE, Absent),
    ("dump-header", 'D', Value),
    ("etag-compare", NONE, Value),
    ("etag-save", NONE, Value),
    ("expect100-timeout", NONE, IdleValue),
    ("fail", 'f', Flag),
    ("fail-early", NONE, Flag),
    ("fail-with-body", NONE, Flag),
    ("form", 'F', Value),
    ("form-string", NONE, Value),
    ("get", 'G', Flag),
    ("globoff", 'g', Flag),
    ("happy-eyeballs-timeout-ms", NONE, IdleValue),
    ("haproxy-protocol", NONE, Absent),
    ("head", 'I', Flag),
    ("header", 'H', Value),
    ("help", 'h', Flag),
    ("hsts", NONE, Absent),
    ("http0.9", NONE, Flag),
    ("http1.0", '0', Flag),
    ("http1.1", NONE, Flag),
    ("http2", NONE, Flag),
    ("http2-prior-knowledge", NONE, Flag),
    ("http3", NONE, Absent),
    ("http3-only", NONE, Absent),
    ("ignore-content-length", NONE, Absent),
    ("include", 'i', Flag),
    ("insecure", 'k', Flag),
    ("interface", NONE, Absent),
    ("ipv4", '4', Flag),
    ("ipv6", '6', Flag),
    ("json", NONE, Value),
    ("junk-session-cookies", 'j', Flag),
    ("keepalive", NONE, Idle),
    ("keepalive-time", NONE, IdleValue),
    ("key", NONE, Value),
    ("key-type", NONE, Absent),
    ("limit-rate", NONE, Value),
    ("list-only", 'l', Absent),
    ("local-port", NONE, Absent),
    ("location", 'L', Flag),
    ("location-trusted", NONE, Flag),
    ("manual", 'M', Absent),
    ("max-filesize", NONE, Value),
    ("max-redirs", NONE, Value),
    ("max-time", 'm', Value),
    ("negotiate", NONE, Absent),
    ("netrc", 'n', Flag),
    ("netrc-file", NONE, Value),
    ("netrc-optional", NONE, Flag),
    ("next", ':', Flag),
    ("no-alpn", NONE, Absent),
    ("buffer", 'N', Idle),
    ("clobber", NONE, Flag),
    ("noproxy", NONE, Value),
    ("ntlm", NONE, Absent),
    ("oauth2-bearer", NONE, Value),
    ("output", 'o', Value),
    ("output-dir", NONE, Value),
    ("parallel", 'Z', Flag),
    ("parallel-immediate", NONE, Idle),
    ("parallel-max", NONE, IdleValue),
    ("pass", NONE, Absent),
    ("path-as-is", NONE, Flag),
    ("pinnedpubkey", NONE, Absent),
    ("post301", NONE, Flag),
    ("post302", NONE, Flag),
    ("post303", NONE, Flag),
    ("progress-bar", '#', Flag),
    ("progress-meter", NONE, Flag),
    ("proto", NONE, Value),
    ("proto-default", NONE, Value),
    ("proto-redir", NONE, Value),
    ("proxy", 'x', Value),
    ("proxy-header", NONE, Absent),
    ("proxy-insecure", NONE, Absent),
    ("proxy-user", 'U', Value),
    ("proxytunnel", 'p', Flag),
    ("range", 'r', Value),
    ("rate", NONE, Absent),
    ("raw", NONE, Flag),
    ("referer", 'e', Value),
    ("remote-header-name", 'J', Flag),
    ("remote-name", 'O', Flag),
    ("remote-name-all", NONE, Flag),
    ("remote-time", 'R', Flag),
    ("remove-on-error", NONE, Flag),
    ("request", 'X', Value),
    ("request-target", NONE, Value),
    ("resolve", NONE, Value),
    ("retry", NONE, Value),
    ("retry-all-errors", NONE, Flag),
    ("retry-connrefused", NONE, Flag),
    ("retry-delay", NONE, Value),
    ("retry-max-time", NONE, Value),
    ("show-error", 'S', Flag),
    ("silent", 's', Flag),
    ("socks4", NONE, Absent),
    ("socks4a", NONE, Absent),
    ("socks5", NONE, Value),
    ("socks5-hostname", NONE, Value),
    ("speed-limit", 'Y', Value),
    ("speed-time", 'y', Value),
    ("ssl-no-revoke", NONE, Idle),
    ("ssl-reqd", NONE, Idle),
    ("sslv2", '2', Absent),
    ("sslv3", '3', Absent),
    ("stderr", NONE, Value),
    ("styled-output", NONE, Idle),
    ("tcp-fastopen", NONE, Idle),
    ("tcp-nodelay", NONE, Idle),
    ("time-cond", 'z', Value),
    ("tls-max", NONE, Value),
    ("tls13-ciphers", NONE, Absent),
    ("tlsv1", '1', Flag),
    ("tlsv1.0", NONE, Flag),
    ("tlsv1.1", NONE, Flag),
    ("tlsv1.2", NONE, Flag),
    ("tlsv1.3", NONE, Flag),
    ("tr-encoding", NONE, Absent),
    ("trace", NONE, Absent),
    ("trace-ascii", NONE, Absent),
    ("trace-time", NONE, Absent),
    ("unix-socket", NONE, Value),
    ("upload-file", 'T', Value),
    ("url", NONE, Value),
    ("url-query", NONE, Value),
    ("use-ascii", 'B', Absent),
    ("user", 'u', Value),
    ("user-agent", 'A', Value),
    ("verbose", 'v', Flag),
    ("version", 'V', Flag),
    ("write-out", 'w', Value),
    ("xattr", NONE, Absent),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_none_is_there_twice() {
        assert_eq!(short('L').unwrap().0, "location");
        assert_eq!(long("data-u").unwrap().0, "data-urlencode");
        assert_eq!(long("data-").unwrap_err(), "is ambiguous");
        assert_eq!(long("nonsense").unwrap_err(), "is unknown");
        for entry in OPTIONS {
            assert_eq!(
                OPTIONS.iter().filter(|other| other.0 == entry.0).count(),
                1,
                "{}",
                entry.0
            );
            let letters = OPTIONS
                .iter()
                .filter(|other| other.1 == entry.1 && entry.1 != NONE)
                .count();
            assert!(letters <= 1, "{}", entry.1);
        }
    }
}
