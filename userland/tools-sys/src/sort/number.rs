//! Numbers of any length: sign, digits before the point, digits after it.

use std::cmp::Ordering;

/// A decimal number in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number<'a> {
    negative: bool,
    /// Without leading zeros.
    whole: &'a [u8],
    /// Without trailing zeros.
    fraction: &'a [u8],
    /// Power of a thousand that a letter after the number says, for `-h`.
    unit: u8,
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// Reads the number that a text begins with; none is zero.
pub(super) fn read(text: &[u8], units: bool) -> Number<'_> {
    let lead = text.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\n')).count();
    let text = &text[lead..];
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let end = digits(text);
    let (mut whole, mut rest) = text.split_at(end);
    let mut fraction: &[u8] = &[];
    if let Some(after) = rest.strip_prefix(b".") {
        let end = digits(after);
        (fraction, rest) = after.split_at(end);
    }
    while let Some(tail) = whole.strip_prefix(b"0") {
        whole = tail;
    }
    while let Some(head) = fraction.strip_suffix(b"0") {
        fraction = head;
    }
    let zero = whole.is_empty() && fraction.is_empty();
    let unit = match rest.first() {
        Some(letter) if units && !zero => b"KMGTPEZYRQ"
            .iter()
            .position(|unit| unit == letter || (*letter == b'k' && *unit == b'K'))
            .map_or(0, |at| at as u8 + 1),
        _ => 0,
    };
    Number {
        negative: negative && !zero,
        whole,
        fraction,
        unit,
    }
}

impl Number<'_> {
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.magnitude(other),
            (true, true) => other.magnitude(self),
        }
    }

    fn magnitude(&self, other: &Self) -> Ordering {
        self.unit
            .cmp(&other.unit)
            .then_with(|| self.whole.len().cmp(&other.whole.len()))
            .then_with(|| self.whole.cmp(other.whole))
            .then_with(|| self.fraction.cmp(other.fraction))
    }

    /// Bits that never order two numbers the wrong way round; equal ones have to be compared.
    pub(super) fn head(&self) -> u64 {
        // Length and leading digits order magnitudes; the top bits hold the unit.
        let mut value = u64::from(self.unit & 0xf) << 60 | (self.whole.len() as u64).min(0xfff) << 48;
        for at in 0..6 {
            let digit = self.whole.get(at).map_or(0, |digit| u64::from(*digit));
            value |= digit << (40 - 8 * at);
        }
        // Half of the range is for what is negative.
        if self.negative {
            !(value >> 1) & (u64::MAX >> 1)
        } else {
            value >> 1 | 1 << 63
        }
    }
}

/// Reads a floating-point number for `-g`: `None` if there is none.
pub(super) fn float(text: &[u8]) -> Option<f64> {
    let lead = text.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let text = &text[lead..];
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let rest = &text[sign..];
    let word = |name: &[u8]| rest.len() >= name.len() && rest[..name.len()].eq_ignore_ascii_case(name);
    let end = if word(b"infinity") {
        sign + 8
    } else if word(b"inf") || word(b"nan") {
        sign + 3
    } else {
        let mut end = sign + digits(rest);
        let whole = end > sign;
        if text.get(end) == Some(&b'.') {
            let more = digits(&text[end + 1..]);
            if !whole && more == 0 {
                return None;
            }
            end += 1 + more;
        } else if !whole {
            return None;
        }
        if matches!(text.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
            let more = digits(&text[(end + 1 + sign).min(text.len())..]);
            if more > 0 {
                end += 1 + sign + more;
            }
        }
        end
    };
    std::str::from_utf8(&text[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_never_contradict() {
        let texts = [
            "-100", "-99.5", "-1K", "-1", "-0.5", "0", "", "x", "0.25", "0.3", "1", "1.0001", "9", "10", "123456",
            "1234567", "1234568", "9K", "10K", "1M",
        ];
        for a in texts {
            for b in texts {
                for units in [false, true] {
                    let (x, y) = (read(a.as_bytes(), units), read(b.as_bytes(), units));
                    let (full, head) = (x.compare(&y), x.head().cmp(&y.head()));
                    assert!(head.is_eq() || head == full, "{a} {b} {units}");
                }
            }
        }
    }

    #[test]
    fn numbers_compare_by_value() {
        let of = |a: &str, b: &str| read(a.as_bytes(), false).compare(&read(b.as_bytes(), false));
        assert_eq!(of("007", "7.0"), Ordering::Equal);
        assert_eq!(of("-3", "2"), Ordering::Less);
        assert_eq!(of(" 1.5", "1.25"), Ordering::Greater);
        assert_eq!(of("-0", ""), Ordering::Equal);
        assert_eq!(float(b"1e3x"), Some(1000.0));
        assert_eq!(
            (float(b"x"), float(b"."), float(b"-inf")),
            (None, None, Some(f64::NEG_INFINITY))
        );
    }
}
