//! Shell patterns over bytes: `*`, `?`, `[...]` and backslash.

/// Whether `name` matches the whole of `pattern`; a slash and a leading dot are like any other byte.
pub(crate) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where to go on after the last star took one byte more.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, n));
                p += 1;
                continue;
            }
            None if n == name.len() => return true,
            None => None,
            Some(_) => one(&pattern[p..], &name[n..]),
        };
        match step {
            Some((pattern_taken, name_taken)) => {
                p += pattern_taken;
                n += name_taken;
            }
            None => {
                let Some((after, from)) = retry.filter(|(_, from)| *from < name.len()) else {
                    return false;
                };
                let next = from + character(&name[from..]);
                retry = Some((after, next));
                (p, n) = (after, next);
            }
        }
    }
}

/// Bytes of the first character, 1 if it is none.
fn character(text: &[u8]) -> usize {
    let length = match text.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => 1,
    };
    if text.get(..length).is_some_and(|head| std::str::from_utf8(head).is_ok()) {
        length
    } else {
        1
    }
}

/// Matches one element of the pattern; returns how much of pattern and name it took.
fn one(pattern: &[u8], name: &[u8]) -> Option<(usize, usize)> {
    let first = *name.first()?;
    match pattern[0] {
        b'?' => Some((1, character(name))),
        b'\\' if pattern.len() > 1 => (pattern[1] == first).then_some((2, 1)),
        b'[' => match bracket(pattern, name) {
            Some((taken, matched, length)) => matched.then_some((taken, length)),
            None => (first == b'[').then_some((1, 1)),
        },
        byte => (byte == first).then_some((1, 1)),
    }
}

fn scalar(text: &[u8]) -> (u32, usize) {
    let length = character(text);
    let c = std::str::from_utf8(&text[..length])
        .ok()
        .and_then(|text| text.chars().next());
    (c.map_or_else(|| u32::from(text[0]) + 0x11_0000, u32::from), length)
}

/// A bracket expression: bytes it takes, whether it matches, bytes of the name's character. `None` if it is not closed.
fn bracket(pattern: &[u8], name: &[u8]) -> Option<(usize, bool, usize)> {
    let (subject, length) = scalar(name);
    let mut at = 1;
    let negated = matches!(pattern.get(at), Some(b'!' | b'^'));
    at += usize::from(negated);
    let start = at;
    let mut found = false;
    loop {
        let rest = pattern.get(at..)?;
        match rest.first()? {
            b']' if at > start => break,
            b'[' if rest.get(1) == Some(&b':') => {
                let end = rest.windows(2).position(|pair| pair == b":]")?;
                found |= class(&rest[2..end], subject);
                at += end + 2;
                continue;
            }
            _ => {}
        }
        let (low, taken) = element(rest)?;
        at += taken;
        let high = match pattern.get(at..) {
            Some([b'-', next, ..]) if *next != b']' => {
                let (high, taken) = element(&pattern[at + 1..])?;
                at += 1 + taken;
                high
            }
            _ => low,
        };
        found |= (low..=high).contains(&subject);
    }
    Some((at + 1, found != negated, length))
}

fn element(text: &[u8]) -> Option<(u32, usize)> {
    if text.first() == Some(&b'\\') && text.len() > 1 {
        let (value, taken) = scalar(&text[1..]);
        return Some((value, taken + 1));
    }
    (!text.is_empty()).then(|| scalar(text))
}

fn class(name: &[u8], subject: u32) -> bool {
    let Some(c) = char::from_u32(subject) else { return false };
    match name {
        b"alpha" => c.is_alphabetic(),
        b"digit" => c.is_ascii_digit(),
        b"alnum" => c.is_alphanumeric(),
        b"upper" => c.is_uppercase(),
        b"lower" => c.is_lowercase(),
        b"space" => c.is_whitespace(),
        b"blank" => c == ' ' || c == '\t',
        b"punct" => c.is_ascii_punctuation(),
        b"print" => !c.is_control(),
        b"graph" => !c.is_control() && !c.is_whitespace(),
        b"cntrl" => c.is_control(),
        b"xdigit" => c.is_ascii_hexdigit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_the_shell_has_it() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*.rs", "a.rs", true),
            ("*.rs", "a.rsx", false),
            ("a*b*c", "aXbYbZc", true),
            ("?", "\u{e9}", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[", "[", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("[[:digit:]]*", "7a", true),
            ("[\u{e0}-\u{ef}]", "\u{e9}", true),
            ("a", "ab", false),
            ("**", "abc", true),
            ("[a", "[a", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
        assert!(matches(b"?", b"\xff") && matches(b"*\xff", b"a\xff"));
    }
}
