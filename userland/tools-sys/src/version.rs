//! The order of file names with numbers in them: `ls -v`, `sort -V`.

use std::cmp::Ordering;

/// Compares two names: hidden files first, numbers by value, suffixes such as `.tar.gz` last.
pub(crate) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    for special in [b"".as_slice(), b".", b".."] {
        match (a == special, b == special) {
            (true, _) => return Ordering::Less,
            (_, true) => return Ordering::Greater,
            _ => {}
        }
    }
    match (a.starts_with(b"."), b.starts_with(b".")) {
        (true, false) => return Ordering::Less,
        (false, true) => return Ordering::Greater,
        _ => {}
    }
    let (stem_a, stem_b) = (stem(a), stem(b));
    segments(stem_a, stem_b)
        .then_with(|| segments(a, b))
        .then_with(|| a.cmp(b))
}

/// The name without suffixes: trailing runs of `.` with a letter or `~` and then letters, digits and `~`.
fn stem(name: &[u8]) -> &[u8] {
    let mut end = name.len();
    while let Some(dot) = name[..end].iter().rposition(|b| *b == b'.').filter(|at| *at > 0) {
        let suffix = &name[dot + 1..end];
        let starts = suffix.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'~');
        if !starts || !suffix.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'~') {
            break;
        }
        end = dot;
    }
    &name[..end]
}

/// `~` before the end before digits before letters before the rest.
fn order(byte: Option<&u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(b) if b.is_ascii_digit() => 0,
        Some(b) if b.is_ascii_alphabetic() => i32::from(*b),
        Some(b) => i32::from(*b) + 256,
    }
}

fn segments(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        while a.first().is_some_and(|c| !c.is_ascii_digit()) || b.first().is_some_and(|c| !c.is_ascii_digit()) {
            let found = order(a.first()).cmp(&order(b.first()));
            if found != Ordering::Equal {
                return found;
            }
            a = a.get(1..).unwrap_or_default();
            b = b.get(1..).unwrap_or_default();
        }
        let (number_a, rest_a) = number(a);
        let (number_b, rest_b) = number(b);
        let found = number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b));
        if found != Ordering::Equal {
            return found;
        }
        (a, b) = (rest_a, rest_b);
    }
    Ordering::Equal
}

/// Leading digits without leading zeros, and what follows.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let zeros = text.iter().take_while(|b| **b == b'0').count();
    let digits = text[zeros..].iter().take_while(|b| b.is_ascii_digit()).count();
    text[zeros..].split_at(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_and_suffixes_do_not() {
        let mut names = ["a10", "a2", "a1.tar.gz", "a1", ".x", "b", "a1.2", "a1~", "a01"];
        names.sort_by(|a, b| compare(a.as_bytes(), b.as_bytes()));
        assert_eq!(names, [".x", "a1~", "a01", "a1", "a1.tar.gz", "a1.2", "a2", "a10", "b"]);
    }
}
