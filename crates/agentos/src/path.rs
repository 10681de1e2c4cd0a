//! Guest paths as clients give them: absolute and normalised (api.md section 4.1).

use crate::error::{Error, Result};
use crate::vm::AgentOs;
use std::borrow::Cow;

/// A checked path, as text for messages and as the bytes that the kernel knows it by.
#[derive(Debug, Clone)]
pub(crate) struct GuestPath<'a> {
    pub(crate) text: &'a str,
    bytes: Cow<'a, [u8]>,
}

impl std::ops::Deref for GuestPath<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AgentOs {
    /// Checks a path for reading, and that the VM is still there.
    pub(crate) fn readable<'a>(&self, path: &'a str) -> Result<GuestPath<'a>> {
        self.vm.alive()?;
        Ok(GuestPath {
            text: check(path)?,
            bytes: encode(path),
        })
    }

    /// Checks a path for writing, and that the VM is still there.
    pub(crate) fn writable<'a>(&self, path: &'a str) -> Result<GuestPath<'a>> {
        self.vm.alive()?;
        Ok(GuestPath {
            text: check_writable(path)?,
            bytes: encode(path),
        })
    }
}

/// The name as a client sees it: UTF-8 as it is, and every byte that is not part of UTF-8 as one character of the private
/// range U+EF80 to U+EFFF, so that [`encode`] leads back to the same bytes. Characters of that range are escaped as well.
pub(crate) fn decode(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if ESCAPES.contains(&u32::from(c)) {
                text.extend(c.encode_utf8(&mut [0; 4]).bytes().filter_map(escaped));
            } else {
                text.push(c);
            }
        }
        text.extend(chunk.invalid().iter().copied().filter_map(escaped));
    }
    text
}

/// The bytes behind a name that [`decode`] made, or any other text.
pub(crate) fn encode(text: &str) -> Cow<'_, [u8]> {
    // The characters of the range begin with this byte in UTF-8.
    if memchr::memchr(0xee, text.as_bytes()).is_none() {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u32::from(c) {
            code if ESCAPES.contains(&code) => bytes.push(code.to_le_bytes()[0]),
            _ => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

const ESCAPES: std::ops::RangeInclusive<u32> = 0xef80..=0xefff;

fn escaped(byte: u8) -> Option<char> {
    char::from_u32(0xef00 + u32::from(byte))
}

/// Checks a path for reading.
pub(crate) fn check(path: &str) -> Result<&str> {
    if !path.starts_with('/') {
        return Err(Error::RelativePath(path.to_owned()));
    }
    let normal = path == "/" || path[1..].split('/').all(|part| !matches!(part, "" | "." | ".."));
    if normal {
        Ok(path)
    } else {
        Err(Error::UnnormalizedPath(path.to_owned()))
    }
}

/// Checks a path for writing: generated trees are refused before the kernel is asked.
pub(crate) fn check_writable(path: &str) -> Result<&str> {
    let inside = |tree: &str| path == tree || path.strip_prefix(tree).is_some_and(|rest| rest.starts_with('/'));
    if inside("/proc") || inside("/etc/agentos") {
        return Err(Error::ReadOnlyPath(path.to_owned()));
    }
    check(path)
}

/// The directory that holds `path`.
pub(crate) fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((folder, _)) => folder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_normal_paths_pass() {
        for good in ["/", "/a", "/a/b c", "/...", "/a/..b"] {
            assert_eq!(check(good).unwrap(), good);
        }
        assert_eq!(check("a").unwrap_err().to_string(), "Path must be absolute: a");
        for bad in ["/a/", "//", "/a//b", "/./a", "/a/.."] {
            assert_eq!(
                check(bad).unwrap_err().to_string(),
                format!("Path must be normalized: {bad}")
            );
        }
    }

    #[test]
    fn names_that_are_not_text_lead_back_to_themselves() {
        for name in [
            &b"plain"[..],
            b"\xff\x80",
            b"a\xe2\x82",
            "\u{ef80}\u{e123}".as_bytes(),
            "\u{20ac}".as_bytes(),
        ] {
            assert_eq!(*encode(&decode(name)), *name);
        }
        assert_eq!(decode("\u{20ac}".as_bytes()), "\u{20ac}");
        assert_ne!(decode(b"\x80"), decode("\u{ef80}".as_bytes()));
    }

    #[test]
    fn generated_trees_are_read_only() {
        for path in ["/proc", "/proc/1/comm", "/etc/agentos/x"] {
            assert_eq!(check_writable(path).unwrap_err().code(), "EROFS");
        }
        assert!(check_writable("/processes").is_ok());
    }
}
