//! The head of a response: what HTTP/1 servers send before a body, read leniently where that is harmless and strictly where
//! two readers could disagree about where the body ends.

use super::failure::{Exit, Failure, Result};

/// A response's head.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// `1.0`, `1.1` or `2`.
    pub version: &'static str,
    /// The status.
    pub status: u16,
    /// The bytes as they came, or as HTTP/1 would have written them.
    pub raw: Vec<u8>,
    /// Names as they came, values without surrounding blanks.
    pub fields: Vec<(String, Vec<u8>)>,
}

impl Head {
    /// Parses the head that `raw` is, up to and including its empty line.
    pub fn parse(raw: &[u8]) -> Result<Self> {
        let mut lines = raw
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let (version, status) = status_line(lines.next().unwrap_or_default())?;
        let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
        for line in lines.take_while(|line| !line.is_empty()) {
            if line.contains(&0) {
                return Err(Failure::new(Exit::WeirdReply, "Nul byte in header"));
            }
            if let (Some(b' ' | b'\t'), Some((_, value))) = (line.first(), fields.last_mut()) {
                value.push(b' ');
                value.extend(line.trim_ascii());
                continue;
            }
            let Some(at) = line.iter().position(|byte| *byte == b':') else {
                return Err(Failure::new(Exit::WeirdReply, "Header without colon"));
            };
            let name = String::from_utf8_lossy(line.get(..at).unwrap_or_default())
                .trim_end()
                .to_owned();
            fields.push((name, line.get(at + 1..).unwrap_or_default().trim_ascii().to_vec()));
        }
        Ok(Self {
            version,
            status,
            raw: raw.to_vec(),
            fields,
        })
    }

    /// All values of a field.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// The first value of a field, as text.
    pub fn value(&self, name: &str) -> Option<String> {
        self.values(name)
            .next()
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Whether a field's list holds a token.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.values(name).any(|value| {
            value
                .split(|byte| *byte == b',')
                .any(|word| word.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
        })
    }

    /// Length that the head promises.
    ///
    /// # Errors
    ///
    /// A length that is no number, or two that differ.
    pub fn length(&self) -> Result<Option<u64>> {
        let mut found = None;
        let values = self
            .values("content-length")
            .flat_map(|value| value.split(|byte| *byte == b','));
        for value in values.map(<[u8]>::trim_ascii) {
            let text = String::from_utf8_lossy(value);
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let length = text.parse::<u64>().ok().filter(|_| digits);
            if length.is_none() || found.is_some_and(|found| Some(found) != length) {
                let text = format!("Invalid Content-Length: value ({text})");
                return Err(Failure::new(Exit::WeirdReply, text));
            }
            found = length;
        }
        Ok(found)
    }

    /// Whether it is one of several before the final one.
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }
}

/// Where a head ends in `bytes`: just behind its empty line. `searched` bytes were looked at before.
pub(super) fn end_of_head(bytes: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(3);
    let mut at = from;
    while let Some(found) = bytes.get(at..)?.iter().position(|byte| *byte == b'\n') {
        let next = at + found + 1;
        match bytes.get(next..) {
            Some([b'\n', ..]) => return Some(next + 1),
            Some([b'\r', b'\n', ..]) => return Some(next + 2),
            _ => at = next,
        }
    }
    None
}

fn status_line(line: &[u8]) -> Result<(&'static str, u16)> {
    let text = String::from_utf8_lossy(line);
    let mut words = text.split_ascii_whitespace();
    let version = match words.next() {
        Some("HTTP/1.1") => "1.1",
        Some("HTTP/1.0") => "1.0",
        Some(word) if word.starts_with("HTTP/") => {
            return Err(Failure::new(
                Exit::UnsupportedProtocol,
                "Unsupported HTTP version in response",
            ));
        }
        _ => return Err(no_http()),
    };
    let digits = words.next().unwrap_or_default();
    let status = digits
        .parse()
        .ok()
        .filter(|status| digits.len() == 3 && (100..1000).contains(status));
    status.map(|status| (version, status)).ok_or_else(|| {
        Failure::new(
            Exit::WeirdReply,
            format!("Unsupported status line: {}", text.escape_debug()),
        )
    })
}

/// What does not begin like a response of HTTP/1.
pub(super) fn no_http() -> Failure {
    Failure::new(Exit::UnsupportedProtocol, "Received HTTP/0.9 when not allowed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_their_case() {
        let head = Head::parse(b"HTTP/1.1 200 OK\r\nX-One:  a \r\nx-one: b\r\nFold: c\r\n  d\r\n\r\n").unwrap();
        assert_eq!((head.version, head.status), ("1.1", 200));
        assert_eq!(head.values("X-ONE").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(head.value("fold").unwrap(), "c d");
    }

    #[test]
    fn lines_may_end_in_a_bare_newline() {
        assert_eq!(
            Head::parse(b"HTTP/1.0 404 Not\nA: b\n\n").unwrap().value("a").unwrap(),
            "b"
        );
        assert_eq!(end_of_head(b"HTTP/1.0 404 Not\nA: b\n\nbody", 0), Some(23));
        assert_eq!(end_of_head(b"a\r\n\r\nb", 4), Some(5));
        assert_eq!(end_of_head(b"a\r\n\r", 0), None);
    }

    #[test]
    fn what_readers_could_disagree_about_is_refused() {
        for (raw, exit) in [
            (&b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"[..], Exit::WeirdReply),
            (b"HTTP/1.1 200 OK\r\na: \0\r\n\r\n", Exit::WeirdReply),
            (b"HTTP/1.1 20 OK\r\n\r\n", Exit::WeirdReply),
            (b"HTTP/3 200 OK\r\n\r\n", Exit::UnsupportedProtocol),
            (b"hello\r\n\r\n", Exit::UnsupportedProtocol),
        ] {
            assert_eq!(Head::parse(raw).unwrap_err().exit, exit);
        }
        for value in ["-1", "1, 2", "+1", "0x1", "99999999999999999999999", ""] {
            let raw = format!("HTTP/1.1 200 OK\r\nContent-Length: {value}\r\n\r\n");
            assert!(Head::parse(raw.as_bytes()).unwrap().length().is_err(), "{value}");
        }
        let twice = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(Head::parse(twice).unwrap().length().unwrap(), Some(5));
    }
}
