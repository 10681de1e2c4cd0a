//! Backslash escapes of `echo -e`, `printf` and `%b`.

/// What an escape stands for.
pub(super) enum Escape {
    /// A byte.
    Byte(u8),
    /// A character beyond ASCII.
    Char(char),
    /// `\c`: nothing more is written.
    Stop,
    /// No escape: the backslash stands for itself.
    None,
}

/// How octal escapes are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Octal {
    /// `\NNN`, and `\0NNN` with up to three digits after the zero: `echo -e` and `%b`.
    Leading,
    /// `\NNN` alone: the format of `printf`.
    Plain,
}

/// Reads the escape that follows a backslash; returns what it is and how many bytes it took.
pub(super) fn read(text: &[u8], octal: Octal) -> (Escape, usize) {
    let Some(&first) = text.first() else {
        return (Escape::None, 0);
    };
    let byte = match first {
        b'\\' => b'\\',
        b'a' => 7,
        b'b' => 8,
        b'c' => return (Escape::Stop, 1),
        b'e' => 27,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'"' if octal == Octal::Plain => b'"',
        b'x' => return number(text, 1, 2, 16),
        b'0' if octal == Octal::Leading => {
            let (value, taken) = digits(&text[1..], 3, 8);
            return (Escape::Byte(value as u8), 1 + taken);
        }
        b'0'..=b'7' => return number(text, 0, 3, 8),
        b'u' => return unicode(text, 4),
        b'U' => return unicode(text, 8),
        _ => return (Escape::None, 0),
    };
    (Escape::Byte(byte), 1)
}

fn number(text: &[u8], skip: usize, most: usize, base: u32) -> (Escape, usize) {
    match digits(&text[skip..], most, base) {
        (_, 0) => (Escape::None, 0),
        (value, taken) => (Escape::Byte(value as u8), skip + taken),
    }
}

fn unicode(text: &[u8], most: usize) -> (Escape, usize) {
    match digits(&text[1..], most, 16) {
        (value, taken) if taken > 0 => match char::from_u32(value) {
            Some(c) => (Escape::Char(c), 1 + taken),
            None => (Escape::None, 0),
        },
        _ => (Escape::None, 0),
    }
}

fn digits(text: &[u8], most: usize, base: u32) -> (u32, usize) {
    let mut value = 0_u32;
    let mut taken = 0;
    for digit in text.iter().take(most).map_while(|b| char::from(*b).to_digit(base)) {
        value = value.wrapping_mul(base).wrapping_add(digit);
        taken += 1;
    }
    (value, taken)
}

/// Appends `text` with its escapes replaced; false once `\c` ended the output.
pub(super) fn expand(text: &[u8], octal: Octal, out: &mut Vec<u8>) -> bool {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|b| *b == b'\\') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        let (escape, taken) = read(rest, octal);
        rest = &rest[taken..];
        match escape {
            Escape::Byte(byte) => out.push(byte),
            Escape::Char(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Escape::Stop => return false,
            Escape::None => out.push(b'\\'),
        }
    }
    out.extend_from_slice(rest);
    true
}
