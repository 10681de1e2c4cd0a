//! How a refusal reads.

use super::operation::Operation;
use core::fmt;
use std::sync::Arc;

/// A refusal by the policy. Its text is the one that guests, clients and logs see (`EACCES: permission denied, ...`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Denied {
    /// What was refused; stream connections read `network.http`, whatever asked for them.
    pub operation: Operation,
    /// On what, normalised. May hold any bytes; its text is escaped.
    pub resource: Box<[u8]>,
    /// What decided: `permissions.fs.rules[2]`, `fs.default`, `profile:locked` or `permissions.fs`.
    pub rule: Arc<str>,
}

impl Denied {
    /// A refusal of `operation` on `resource`, decided by `rule`.
    pub fn new(operation: Operation, resource: impl Into<Box<[u8]>>, rule: impl Into<Arc<str>>) -> Self {
        Self {
            operation: operation.canonical(),
            resource: resource.into(),
            rule: rule.into(),
        }
    }

    /// The resource as text: control characters, and bytes that are no UTF-8, are escaped.
    pub fn resource_text(&self) -> String {
        escape(&self.resource)
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = self.resource_text();
        write!(
            f,
            "EACCES: permission denied, {resource}: blocked by {} policy",
            self.operation
        )
    }
}

impl std::error::Error for Denied {}

/// Text that cannot break a line, move a cursor, or be mistaken for another one.
pub(super) fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || is_invisible(character) {
                text.extend(character.escape_unicode());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Characters that reorder or hide the text around them, and separators that some readers take for line ends.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_the_one_of_the_specification() {
        let denied = Denied::new(Operation::NetworkFetch, *b"tcp://example.com:80", "network.default");
        let expected = "EACCES: permission denied, tcp://example.com:80: blocked by network.http policy";
        assert_eq!(denied.to_string(), expected);
    }

    #[test]
    fn guest_chosen_bytes_cannot_forge_text() {
        let denied = Denied::new(Operation::FsRead, *b"/a\n\x1b[2J\xff\xe2\x80\xae", "fs.default");
        assert_eq!(denied.resource_text(), "/a\\u{a}\\u{1b}[2J\\xff\\u{202e}");
    }
}
