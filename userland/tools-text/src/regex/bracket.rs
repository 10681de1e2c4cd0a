//! POSIX bracket expressions (`[...]`) as character classes of the target syntax.

use super::{Escapes, RegexError};

/// Parses the bracket expression that `text` begins with; returns the class and its length in the source.
///
/// # Errors
///
/// The messages of `regcomp(3)`: unmatched bracket, unknown class name, bad range, bad collating element.
pub fn parse(text: &[u8], escapes: Escapes) -> Result<(String, usize), RegexError> {
    let mut at = 1;
    let negated = text.get(at) == Some(&b'^');
    at += usize::from(negated);
    let mut class = String::from(if negated { "[^" } else { "[" });
    let mut first = true;
    loop {
        let Some(&byte) = text.get(at) else {
            return Err(unmatched());
        };
        if byte == b']' && !first {
            class.push(']');
            return Ok((class, at + 1));
        }
        first = false;
        if byte == b'[' && text.get(at + 1) == Some(&b':') {
            let end = find_end(text, at + 2, b':')?;
            class.push_str(named(&text[at + 2..end])?);
            at = end + 2;
            continue;
        }
        let (low, next) = element(text, at, escapes)?;
        at = next;
        let is_range = text.get(at) == Some(&b'-') && text.get(at + 1).is_some_and(|&b| b != b']');
        if !is_range {
            push(&mut class, low);
            continue;
        }
        if text[at + 1] == b'[' && text.get(at + 2) == Some(&b':') {
            return Err(RegexError::new("Invalid range end"));
        }
        let (high, next) = element(text, at + 1, escapes)?;
        at = next;
        if high < low {
            return Err(RegexError::new("Invalid range end"));
        }
        push(&mut class, low);
        class.push('-');
        push(&mut class, high);
    }
}

/// One character, collating symbol or equivalence class at `at`; returns it and the position behind it.
fn element(text: &[u8], at: usize, escapes: Escapes) -> Result<(u32, usize), RegexError> {
    let byte = text[at];
    if let (b'[', Some(&kind @ (b'.' | b'='))) = (byte, text.get(at + 1)) {
        let end = find_end(text, at + 2, kind)?;
        let (found, next) = character(text, at + 2)?;
        if next != end {
            return Err(RegexError::new("Invalid collation character"));
        }
        return Ok((found, end + 2));
    }
    if byte == b'\\'
        && let Some(&next) = text.get(at + 1)
    {
        if let Some(control) = escapes.control(next) {
            return Ok((u32::from(control), at + 2));
        }
        if escapes.is_awk() && !next.is_ascii_alphanumeric() {
            return character(text, at + 1);
        }
    }
    character(text, at)
}

fn character(text: &[u8], at: usize) -> Result<(u32, usize), RegexError> {
    let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) else {
        return Err(unmatched());
    };
    for length in 1..=4.min(rest.len()) {
        if let Some(found) = std::str::from_utf8(&rest[..length]).ok().and_then(|s| s.chars().next()) {
            return Ok((u32::from(found), at + length));
        }
    }
    // A stray byte stands for the code point of the same number; automata in Unicode mode cannot hold raw bytes.
    Ok((u32::from(rest[0]), at + 1))
}

fn find_end(text: &[u8], from: usize, kind: u8) -> Result<usize, RegexError> {
    let tail = text.get(from..).unwrap_or(&[]);
    let found = tail.windows(2).position(|pair| pair == [kind, b']']);
    found.map(|at| from + at).ok_or_else(unmatched)
}

fn push(class: &mut String, code: u32) {
    class.push_str(&format!("\\x{{{code:x}}}"));
}

fn named(name: &[u8]) -> Result<&'static str, RegexError> {
    Ok(match name {
        b"alpha" => r"\p{Alphabetic}",
        b"digit" => "0-9",
        b"alnum" => r"\p{Alphabetic}\p{Nd}",
        b"upper" => r"\p{Uppercase}",
        b"lower" => r"\p{Lowercase}",
        b"space" => r"\s",
        b"blank" => r" \t",
        b"punct" => r"!-/:-@\x5b-`{-~\p{P}\p{S}",
        b"print" => r"[^\p{Cc}\p{Cs}\p{Cn}]",
        b"graph" => r"[^\s\p{Cc}\p{Cs}\p{Cn}]",
        b"cntrl" => r"\p{Cc}",
        b"xdigit" => "0-9A-Fa-f",
        _ => return Err(RegexError::new("Invalid character class name")),
    })
}

fn unmatched() -> RegexError {
    RegexError::new("Unmatched [, [^, [:, [., or [=")
}
