//! Strings that a guest chose, made fit for a log.

use core::fmt;

/// Longest text in bytes (security.md section 8).
const MOST: usize = 512;
/// Stands at the end of what was cut.
const CUT: &str = "...";

/// A string that a guest may have chosen: printable, on one line, at most 512 bytes.
///
/// Control characters, backslashes, invisible formatting characters and bytes that are not UTF-8 are written as escapes, so
/// that the text can neither forge a line of a log nor change a terminal, and different strings stay different.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Text(Box<str>);

impl Text {
    /// Escapes and cuts.
    pub fn new(bytes: &[u8]) -> Self {
        // More can never be shown, and a guest may pass megabytes.
        let head = bytes.get(..MOST).unwrap_or(bytes);
        let mut text = Draft::default();
        for chunk in head.utf8_chunks() {
            for c in chunk.valid().chars() {
                text.push(c);
            }
            for byte in chunk.invalid() {
                text.push_str(&format!("\\x{byte:02x}"));
            }
        }
        Self(text.finish(head.len() < bytes.len()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(text.as_bytes())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// A text that is being written, piece by piece; a piece is a character or an escape and is never cut.
#[derive(Default)]
struct Draft {
    text: String,
    /// Length after the last piece that leaves room for the mark.
    kept: usize,
    full: bool,
}

impl Draft {
    fn push(&mut self, c: char) {
        if is_plain(c) {
            self.push_str(c.encode_utf8(&mut [0; 4]));
        } else {
            self.push_str(&c.escape_default().to_string());
        }
    }

    fn push_str(&mut self, piece: &str) {
        self.full |= self.text.len() + piece.len() > MOST;
        if self.full {
            return;
        }
        self.text.push_str(piece);
        if self.text.len() + CUT.len() <= MOST {
            self.kept = self.text.len();
        }
    }

    fn finish(mut self, cut: bool) -> Box<str> {
        if cut || self.full {
            self.text.truncate(self.kept);
            self.text.push_str(CUT);
        }
        self.text.into()
    }
}

fn is_plain(c: char) -> bool {
    // Beyond control characters: what changes the direction or the look of the text around it without being seen.
    let invisible = matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    c != '\\' && !c.is_control() && !invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_printable_line() {
        let text = |bytes: &[u8]| Text::new(bytes).as_str().to_owned();
        assert_eq!(text(b"tcp://example.com:80"), "tcp://example.com:80");
        assert_eq!(text("h\u{e9}llo w\u{f6}rld".as_bytes()), "h\u{e9}llo w\u{f6}rld");
        assert_eq!(text(b"a\nb\x1b[2J\\n"), "a\\nb\\u{1b}[2J\\\\n");
        assert_eq!(text(b"\xff\xfe/x"), "\\xff\\xfe/x");
        assert_eq!(text("\u{202e}gpj".as_bytes()), "\\u{202e}gpj");
    }

    #[test]
    fn never_longer_than_the_bound_and_never_a_broken_escape() {
        for filler in ["x", "\n", "\u{1b}", "\u{e9}", "\u{1f600}", "\u{202e}", "\\"] {
            for lead in 0..12 {
                let long = "y".repeat(lead) + &filler.repeat(2000);
                let text = Text::from(long.as_str());
                assert!(
                    text.as_str().len() <= MOST && text.as_str().ends_with(CUT),
                    "{filler:?}"
                );
                let body = text.as_str().trim_end_matches('.').trim_start_matches('y');
                let one = Text::from(filler).as_str().to_owned();
                assert_eq!(body.replace(&one, ""), "", "{filler:?} {lead}");
            }
        }
        let broken = Text::new(&[0xff; 4096]);
        assert!(broken.as_str().len() <= MOST && broken.as_str().ends_with("\\xff..."));
        assert_eq!(Text::new(&[b'x'; MOST]).as_str().len(), MOST);
    }
}
