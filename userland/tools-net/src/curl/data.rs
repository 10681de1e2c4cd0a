//! Values that become a request's body: as written, from a file, encoded.

use crate::engine::percent_encode;
use std::ffi::OsStr;
use std::io;

/// A file that could not be read.
type Unreadable = (String, io::Error);

/// What stands between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joined {
    /// An ampersand.
    Fields,
    /// Nothing.
    Directly,
}

/// Adds a value to the body.
pub(super) fn join(body: &mut Option<Vec<u8>>, bytes: &[u8], joined: Joined) {
    let body = match body {
        Some(body) => {
            if joined == Joined::Fields {
                body.push(b'&');
            }
            body
        }
        None => body.insert(Vec::new()),
    };
    body.extend_from_slice(bytes);
}

/// The content of a file, or of standard input for `-`.
pub(super) fn file(name: &str) -> Result<Vec<u8>, Unreadable> {
    agentos_tools_base::io::read_all(OsStr::new(name)).map_err(|error| (name.to_owned(), error))
}

/// `--data`: text, or `@FILE` without its line ends and NULs.
pub(super) fn ascii(text: &str) -> Result<Vec<u8>, Unreadable> {
    let mut bytes = binary(text)?;
    if text.starts_with('@') {
        bytes.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
    }
    Ok(bytes)
}

/// `--data-binary`: text, or `@FILE` as it is.
pub(super) fn binary(text: &str) -> Result<Vec<u8>, Unreadable> {
    match text.strip_prefix('@') {
        Some(name) => file(name),
        None => Ok(text.as_bytes().to_vec()),
    }
}

/// `--data-urlencode`: `content`, `=content`, `name=content`, `@file`, `name@file`.
pub(super) fn encoded(text: &str) -> Result<Vec<u8>, Unreadable> {
    let at = text.find(['=', '@']);
    let (name, mark, rest) = match at {
        Some(at) => (text.get(..at), text.get(at..=at), text.get(at + 1..)),
        None => (None, None, Some(text)),
    };
    let rest = rest.unwrap_or_default();
    let content = if mark == Some("@") {
        file(rest)?
    } else {
        rest.as_bytes().to_vec()
    };
    // A space is a plus sign in forms.
    let content = percent_encode(&content).replace("%20", "+");
    Ok(match name.filter(|name| !name.is_empty()) {
        Some(name) => format!("{name}={content}").into_bytes(),
        None => content.into_bytes(),
    })
}

/// `--url-query`: as `--data-urlencode`, or as written behind a plus sign.
pub(super) fn query(text: &str) -> Result<String, Unreadable> {
    match text.strip_prefix('+') {
        Some(plain) => Ok(plain.to_owned()),
        None => Ok(String::from_utf8_lossy(&encoded(text)?).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_joined_and_encoded() {
        let mut body = None;
        join(&mut body, b"a=1", Joined::Fields);
        join(&mut body, b"b=2", Joined::Fields);
        join(&mut body, b"{}", Joined::Directly);
        assert_eq!(body.unwrap(), b"a=1&b=2{}");
        let of = |text: &str| String::from_utf8(encoded(text).unwrap()).unwrap();
        assert_eq!(of("a b"), "a+b");
        assert_eq!(of("=a=b"), "a%3Db");
        assert_eq!(of("n=\u{e9}&"), "n=%C3%A9%26");
        assert_eq!(query("+a=b c").unwrap(), "a=b c");
    }

    #[test]
    fn a_file_loses_its_line_ends_only_as_text() {
        let name = std::env::temp_dir().join(format!("curl-data-{}", std::process::id()));
        std::fs::write(&name, "a\r\nb\n").unwrap();
        let at = format!("@{}", name.display());
        assert_eq!(ascii(&at).unwrap(), b"ab");
        assert_eq!(binary(&at).unwrap(), b"a\r\nb\n");
        std::fs::remove_file(&name).unwrap();
        assert!(binary(&at).is_err());
    }
}
