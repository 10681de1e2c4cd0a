//! Files as resources: `file:///path` and back.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What does not stand for itself in the path of a URI.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The URI of an absolute path.
pub(crate) fn of(path: &str) -> String {
    format!("file://{}", utf8_percent_encode(path, ESCAPED))
}

/// The path that a URI names, or what is wrong with it.
pub(crate) fn path(uri: &str) -> Result<String, String> {
    let rest = uri
        .strip_prefix("file://")
        .ok_or("expected file:///PATH, a file of the VM")?;
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    if !rest.starts_with('/') {
        return Err("expected file:///PATH without a host".to_owned());
    }
    if rest.contains(['?', '#']) {
        return Err("a file has no query and no fragment; write ? as %3F and # as %23".to_owned());
    }
    let path = percent_decode_str(rest)
        .decode_utf8()
        .map_err(|_| "the path is no UTF-8")?;
    if path.contains('\0') {
        return Err("the path holds a NUL byte".to_owned());
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err("the path contains . or ..".to_owned());
    }
    Ok(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_back() {
        for name in ["/", "/a/b.c", "/a b/#?%", "/\u{20ac}/x:y@z", "/-_~"] {
            assert_eq!(path(&of(name)).unwrap(), name);
        }
        assert_eq!(of("/a b"), "file:///a%20b");
        assert_eq!(path("file://localhost/x//y/").unwrap(), "/x/y");
    }

    #[test]
    fn other_uris_are_refused() {
        for wrong in [
            "",
            "/a",
            "http://x/a",
            "file://host/a",
            "file:/a",
            "file:///a?b",
            "file:///a/../b",
            "file:///a/%2e%2e/b",
            "file:///%ff",
            "file:///a%00b",
            "file:///a#b",
        ] {
            assert!(path(wrong).is_err(), "{wrong}");
        }
    }
}
