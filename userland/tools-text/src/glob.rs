//! `fnmatch(3)`: shell patterns over bytes, with UTF-8 characters as units where the text is UTF-8.

/// How a pattern is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags {
    /// Wildcards do not match `/` (`FNM_PATHNAME`).
    pub pathname: bool,
    /// Upper and lower case are equal (`FNM_CASEFOLD`).
    pub fold_case: bool,
}

/// Whether all of `text` matches the shell pattern `pattern`.
///
/// Runs in time proportional to the product of both lengths at worst: only the last `*` is ever retried.
pub fn matches(pattern: &[u8], text: &[u8], flags: Flags) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if p < pattern.len() && pattern[p] == b'*' {
            retry = Some((p + 1, t));
            p += 1;
            continue;
        }
        if t == text.len() && p == pattern.len() {
            return true;
        }
        if t < text.len()
            && p < pattern.len()
            && let Some((next_p, next_t)) = step(pattern, p, text, t, flags)
        {
            (p, t) = (next_p, next_t);
            continue;
        }
        let Some((after_star, from)) = retry else { return false };
        if from >= text.len() || (flags.pathname && text[from] == b'/') {
            return false;
        }
        let next = from + char_length(&text[from..]);
        retry = Some((after_star, next));
        (p, t) = (after_star, next);
    }
}

/// Whether a pattern holds any wildcard at all.
pub fn is_pattern(text: &[u8]) -> bool {
    text.iter().any(|b| matches!(b, b'*' | b'?' | b'[' | b'\\'))
}

/// Matches one pattern element against one character; returns the positions behind both.
fn step(pattern: &[u8], p: usize, text: &[u8], t: usize, flags: Flags) -> Option<(usize, usize)> {
    let length = char_length(&text[t..]);
    match pattern[p] {
        b'?' => (!(flags.pathname && text[t] == b'/')).then_some((p + 1, t + length)),
        b'[' => match bracket(pattern, p, &text[t..t + length], flags) {
            Some((found, end)) => (found && !(flags.pathname && text[t] == b'/')).then_some((end, t + length)),
            None => (text[t] == b'[').then_some((p + 1, t + 1)),
        },
        b'\\' if p + 1 < pattern.len() => equal(pattern[p + 1], text[t], flags).then_some((p + 2, t + 1)),
        byte => equal(byte, text[t], flags).then_some((p + 1, t + 1)),
    }
}

fn equal(a: u8, b: u8, flags: Flags) -> bool {
    a == b || (flags.fold_case && a.eq_ignore_ascii_case(&b))
}

/// Length of the UTF-8 character that `text` begins with; a byte that is none counts as one.
fn char_length(text: &[u8]) -> usize {
    let wanted = match text[0] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    if text.len() >= wanted && std::str::from_utf8(&text[..wanted]).is_ok() {
        wanted
    } else {
        1
    }
}

/// Evaluates the bracket expression at `p`; `None` when it is not closed and therefore literal.
fn bracket(pattern: &[u8], p: usize, character: &[u8], flags: Flags) -> Option<(bool, usize)> {
    let mut at = p + 1;
    let negated = matches!(pattern.get(at), Some(b'!' | b'^'));
    at += usize::from(negated);
    let wanted = code(character);
    let mut found = false;
    let mut first = true;
    loop {
        let byte = *pattern.get(at)?;
        if byte == b']' && !first {
            return Some((found != negated, at + 1));
        }
        first = false;
        if byte == b'[' && pattern.get(at + 1) == Some(&b':') {
            let end = at + 2 + pattern[at + 2..].windows(2).position(|pair| pair == b":]")?;
            found |= in_class(&pattern[at + 2..end], wanted);
            at = end + 2;
            continue;
        }
        let (low, next) = element(pattern, at)?;
        at = next;
        let mut high = low;
        if pattern.get(at) == Some(&b'-') && pattern.get(at + 1).is_some_and(|&b| b != b']') {
            (high, at) = element(pattern, at + 1)?;
        }
        found |= (low..=high).contains(&wanted);
        if flags.fold_case {
            let other = char::from_u32(wanted).map_or(wanted, |c| {
                u32::from(if c.is_ascii_lowercase() {
                    c.to_ascii_uppercase()
                } else {
                    c.to_ascii_lowercase()
                })
            });
            found |= (low..=high).contains(&other);
        }
    }
}

fn element(pattern: &[u8], mut at: usize) -> Option<(u32, usize)> {
    if pattern[at] == b'\\' && at + 1 < pattern.len() {
        at += 1;
    }
    let rest = pattern.get(at..).filter(|rest| !rest.is_empty())?;
    let length = char_length(rest);
    Some((code(&rest[..length]), at + length))
}

fn code(character: &[u8]) -> u32 {
    match std::str::from_utf8(character).ok().and_then(|text| text.chars().next()) {
        Some(found) => u32::from(found),
        None => u32::from(character[0]),
    }
}

fn in_class(name: &[u8], code: u32) -> bool {
    let Some(c) = char::from_u32(code) else { return false };
    match name {
        b"alpha" => c.is_alphabetic(),
        b"digit" => c.is_ascii_digit(),
        b"alnum" => c.is_alphanumeric(),
        b"upper" => c.is_uppercase(),
        b"lower" => c.is_lowercase(),
        b"space" => c.is_whitespace(),
        b"blank" => matches!(c, ' ' | '\t'),
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
    fn patterns_match_like_fnmatch() {
        let rows: &[(&str, &str, bool)] = &[
            ("*.rs", "lib.rs", true),
            ("*.rs", "lib.rsx", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("?", "é", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[a", "[a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("*/b", "a/x/b", true),
            ("[[:digit:]]*", "1a", true),
            ("", "", true),
            ("**", "", true),
        ];
        for (pattern, text, expected) in rows {
            let found = matches(pattern.as_bytes(), text.as_bytes(), Flags::default());
            assert_eq!(found, *expected, "{pattern} {text}");
        }
        let path = Flags {
            pathname: true,
            fold_case: true,
        };
        assert!(!matches(b"*/b", b"a/x/b", path));
        assert!(matches(b"*/B", b"a/b", path));
    }

    #[test]
    fn many_stars_do_not_explode() {
        let pattern = b"*a".repeat(40);
        assert!(!matches(&pattern, &b"a".repeat(39), Flags::default()));
        assert!(matches(&pattern, &b"a".repeat(4000), Flags::default()));
    }
}
