//! Texts that come from agents and clients, on their way into messages.

use std::collections::VecDeque;

/// A text for a message: at most `most` characters, control characters escaped.
pub(crate) fn shown(text: &str, most: usize) -> String {
    text.chars().take(most).flat_map(char::escape_default).collect()
}

/// Cuts a text at a character boundary so that at most `most` bytes remain at its beginning.
pub(crate) fn head(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Cuts a text at a character boundary so that at most `most` bytes remain at its end.
pub(crate) fn tail(text: &str, most: usize) -> &str {
    let mut start = text.len().saturating_sub(most);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..).unwrap_or_default()
}

/// The last bytes of a stream.
#[derive(Debug)]
pub(crate) struct Tail {
    bytes: VecDeque<u8>,
    most: usize,
}

impl Tail {
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            most,
        }
    }

    /// Adds what was written; true if something older had to go.
    pub(crate) fn push(&mut self, data: &[u8]) -> bool {
        let data_start = data.len().saturating_sub(self.most);
        let data_cut = data_start > 0;
        let data = data.get(data_start..).unwrap_or_default();
        let over = (self.bytes.len() + data.len()).saturating_sub(self.most);
        self.bytes.drain(..over);
        self.bytes.extend(data);
        data_cut || over > 0
    }

    /// What is there, as text; a character that was cut at its beginning is left out.
    pub(crate) fn text(&self) -> String {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let partial = bytes.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
        String::from_utf8_lossy(bytes.get(partial..).unwrap_or_default()).into_owned()
    }
}

/// A new id: `prefix` and 24 random characters.
pub(crate) fn new_id(prefix: &str) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut random = [0_u8; 24];
    let mut filled = 0;
    while let Some(rest) = random.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            // Interrupted before the pool was ready; there is no other way to fail.
            Err(_) => std::thread::yield_now(),
        }
    }
    let letters = random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    prefix.chars().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_keep_the_end_and_whole_characters() {
        let mut kept = Tail::new(5);
        assert!(!kept.push(b"abc"));
        assert!(kept.push("dé!".as_bytes()));
        assert_eq!(kept.text(), "cdé!");
        assert!(kept.push("xxxxxé".as_bytes()));
        assert_eq!(kept.text(), "xxxé");
        let mut cut = Tail::new(2);
        cut.push("é!".as_bytes());
        assert_eq!(cut.text(), "!");
        assert_eq!((head("aé", 2), tail("éa", 2)), ("a", "a"));
    }

    #[test]
    fn ids_differ() {
        let (one, other) = (new_id("ses_"), new_id("ses_"));
        assert_ne!(one, other);
        assert_eq!(one.len(), 28);
    }
}
