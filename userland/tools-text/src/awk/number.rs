//! Numbers in text.

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The value of the number that `text` begins with, blanks and sign allowed, and how many bytes it takes; (0, 0) if
/// there is none.
pub fn prefix(text: &[u8]) -> (f64, usize) {
    let mut at = 0;
    while at < text.len() && matches!(text[at], b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c) {
        at += 1;
    }
    let start = at;
    let negative = text.get(at) == Some(&b'-');
    at += usize::from(matches!(text.get(at), Some(b'-' | b'+')));
    let mut mantissa = 0u64;
    let mut digits = 0;
    let mut scale = 0usize;
    let mut exact = true;
    let mut dot = false;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'0'..=b'9' => {
                digits += 1;
                if mantissa < 100_000_000_000_000 {
                    mantissa = mantissa * 10 + u64::from(byte - b'0');
                    scale += usize::from(dot);
                } else {
                    exact = false;
                }
            }
            b'.' if !dot => dot = true,
            _ => break,
        }
        at += 1;
    }
    if digits == 0 {
        return signed_word(text, start);
    }
    let mut exponent = false;
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'-' | b'+')));
        let count = text[at + 1 + sign..].iter().take_while(|b| b.is_ascii_digit()).count();
        if count > 0 {
            at += 1 + sign + count;
            exponent = true;
        }
    }
    if exact && !exponent && scale < POWERS.len() {
        let value = mantissa as f64 / POWERS[scale];
        return (if negative { -value } else { value }, at);
    }
    let value = std::str::from_utf8(&text[start..at])
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0.0);
    (value, at)
}

/// `+inf`, `-nan` and kin: a sign is needed, and nothing may follow.
fn signed_word(text: &[u8], start: usize) -> (f64, usize) {
    let word = &text[start..];
    if word.len() < 4 || !matches!(word[0], b'+' | b'-') {
        return (0.0, 0);
    }
    let ends = word.get(4).is_none_or(|b| !b.is_ascii_alphanumeric());
    let value = match (word[1..4].to_ascii_lowercase().as_slice(), ends) {
        (b"inf", true) => f64::INFINITY,
        (b"nan", true) => f64::NAN,
        _ => return (0.0, 0),
    };
    (if word[0] == b'-' { -value } else { value }, start + 4)
}

/// The number that `text` begins with, or 0.
pub fn value(text: &[u8]) -> f64 {
    prefix(text).0
}

/// The number that `text` is, when it is nothing but a number with blanks around it.
pub fn whole(text: &[u8]) -> Option<f64> {
    let (value, length) = prefix(text);
    let rest = &text[length..];
    (length > 0
        && rest
            .iter()
            .all(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)))
    .then_some(value)
}

/// Appends an integral number without a format.
pub fn push_integer(out: &mut Vec<u8>, value: i64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a number as text; `format` is for those that are not integral.
pub fn push(out: &mut Vec<u8>, value: f64, format: &[u8]) {
    if value == value.trunc() && value.abs() < 1e16 {
        push_integer(out, value as i64);
    } else if value.is_finite() && value == value.trunc() {
        out.extend_from_slice(format!("{value:.0}").as_bytes());
    } else {
        super::format::number(out, format, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        let rows: &[(&str, f64, usize)] = &[
            ("12", 12.0, 2),
            (" -3.5x", -3.5, 5),
            ("1e3", 1000.0, 3),
            ("1e", 1.0, 1),
            (".5.", 0.5, 2),
            (".", 0.0, 0),
            ("abc", 0.0, 0),
            ("0x1A", 0.0, 1),
            ("123456789012345678901", 123_456_789_012_345_680_000.0, 21),
        ];
        for (text, value, length) in rows {
            assert_eq!(prefix(text.as_bytes()), (*value, *length), "{text}");
        }
        assert_eq!(whole(b" 7 "), Some(7.0));
        assert_eq!(whole(b"7a"), None);
        assert_eq!(whole(b""), None);
    }
}
