//! `printf`: formats in the manner of C.

use super::number;
use super::value::Value;

#[derive(Clone, Copy, Default)]
struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    grouped: bool,
    width: usize,
    precision: Option<usize>,
}

/// Widest field and most digits that a format may ask for.
const WIDTH_LIMIT: usize = 1 << 20;
/// Most digits after the point.
const PRECISION_LIMIT: usize = 1 << 12;

/// Appends `format` with `values` filled in.
///
/// # Errors
///
/// A message when there are fewer values than the format asks for.
pub fn format(out: &mut Vec<u8>, format: &[u8], values: &[Value], convfmt: &[u8]) -> Result<(), String> {
    let mut next = 0;
    let mut at = 0;
    while at < format.len() {
        let plain = memchr::memchr(b'%', &format[at..]).unwrap_or(format.len() - at);
        out.extend_from_slice(&format[at..at + plain]);
        at += plain;
        if at >= format.len() {
            break;
        }
        let start = at;
        at += 1;
        if format.get(at) == Some(&b'%') {
            out.push(b'%');
            at += 1;
            continue;
        }
        let mut take = || -> Result<Value, String> {
            next += 1;
            let missing = || {
                let shown = String::from_utf8_lossy(format).into_owned();
                format!("fatal: not enough arguments to satisfy format string\n\t`{shown}'")
            };
            values.get(next - 1).cloned().ok_or_else(missing)
        };
        let spec = parse_spec(format, &mut at, &mut take)?;
        while matches!(format.get(at), Some(b'l' | b'h' | b'L' | b'j' | b'z' | b't')) {
            at += 1;
        }
        let Some(&conversion) = format.get(at) else {
            out.extend_from_slice(&format[start..]);
            break;
        };
        at += 1;
        match conversion {
            b'd' | b'i' => integer(out, spec, &take()?),
            b'o' | b'x' | b'X' | b'u' => unsigned(out, spec, conversion, &take()?),
            b'e' | b'E' | b'f' | b'F' | b'g' | b'G' | b'a' | b'A' => {
                let value = take()?.number();
                float(out, spec, conversion, value);
            }
            b'c' => character(out, spec, &take()?),
            b's' => {
                let value = take()?;
                let text = value.to_text(convfmt);
                pad_text(out, spec, truncate(&text, spec.precision));
            }
            _ => out.extend_from_slice(&format[start..at]),
        }
    }
    Ok(())
}

/// Appends one number by a format such as `%.6g`.
pub fn number(out: &mut Vec<u8>, pattern: &[u8], value: f64) {
    if pattern == b"%.6g" {
        float(
            out,
            Spec {
                precision: Some(6),
                ..Spec::default()
            },
            b'g',
            value,
        );
    } else if format(out, pattern, &[Value::Number(value)], b"%.6g").is_err() {
        out.extend_from_slice(pattern);
    }
}

fn parse_spec(format: &[u8], at: &mut usize, take: &mut dyn FnMut() -> Result<Value, String>) -> Result<Spec, String> {
    let mut spec = Spec::default();
    while let Some(&flag) = format.get(*at) {
        match flag {
            b'-' => spec.left = true,
            b'+' => spec.plus = true,
            b' ' => spec.space = true,
            b'#' => spec.alternate = true,
            b'0' => spec.zero = true,
            b'\'' => spec.grouped = true,
            _ => break,
        }
        *at += 1;
    }
    let width = count(format, at, take)?.unwrap_or(0);
    spec.left |= width < 0;
    spec.width = usize::try_from(width.unsigned_abs())
        .unwrap_or(usize::MAX)
        .min(WIDTH_LIMIT);
    if format.get(*at) == Some(&b'.') {
        *at += 1;
        let digits = count(format, at, take)?.unwrap_or(0);
        spec.precision = usize::try_from(digits).ok().map(|digits| digits.min(WIDTH_LIMIT));
    }
    Ok(spec)
}

/// Digits or `*`.
fn count(
    format: &[u8],
    at: &mut usize,
    take: &mut dyn FnMut() -> Result<Value, String>,
) -> Result<Option<i64>, String> {
    if format.get(*at) == Some(&b'*') {
        *at += 1;
        return Ok(Some(take()?.number() as i64));
    }
    let mut found = None;
    while let Some(digit @ b'0'..=b'9') = format.get(*at) {
        found = Some((found.unwrap_or(0i64) * 10 + i64::from(digit - b'0')).min(1 << 40));
        *at += 1;
    }
    Ok(found)
}

fn integer(out: &mut Vec<u8>, spec: Spec, value: &Value) {
    let value = value.number();
    if !value.is_finite() {
        return float(out, spec, b'f', value);
    }
    let value = value.trunc();
    let mut digits = Vec::new();
    if value.abs() < 9e18 {
        number::push_integer(&mut digits, (value as i64).saturating_abs());
    } else {
        digits.extend_from_slice(format!("{:.0}", value.abs()).as_bytes());
    }
    if spec.grouped {
        digits = grouped(&digits);
    }
    finish_integer(out, spec, sign(value < 0.0, spec), b"", digits);
}

fn unsigned(out: &mut Vec<u8>, spec: Spec, conversion: u8, value: &Value) {
    let value = value.number();
    if !value.is_finite() || value <= -1.0 || value >= 18_446_744_073_709_551_616.0 {
        let spec = Spec {
            precision: Some(if value.is_finite() && value == value.trunc() {
                0
            } else {
                6
            }),
            ..spec
        };
        return float(out, spec, if spec.precision == Some(0) { b'f' } else { b'g' }, value);
    }
    let number = value as u64;
    let (digits, prefix): (String, &[u8]) = match conversion {
        b'o' if spec.alternate => (format!("0{number:o}"), b""),
        b'o' => (format!("{number:o}"), b""),
        b'x' => (
            format!("{number:x}"),
            if spec.alternate && number != 0 { b"0x" } else { b"" },
        ),
        b'X' => (
            format!("{number:X}"),
            if spec.alternate && number != 0 { b"0X" } else { b"" },
        ),
        _ => (number.to_string(), b""),
    };
    finish_integer(out, spec, b"", prefix, digits.into_bytes());
}

fn sign(negative: bool, spec: Spec) -> &'static [u8] {
    match (negative, spec.plus, spec.space) {
        (true, _, _) => b"-",
        (false, true, _) => b"+",
        (false, false, true) => b" ",
        _ => b"",
    }
}

fn grouped(digits: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.iter().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(b',');
        }
        out.push(*digit);
    }
    out
}

fn finish_integer(out: &mut Vec<u8>, spec: Spec, sign: &[u8], prefix: &[u8], mut digits: Vec<u8>) {
    if let Some(least) = spec.precision {
        if least == 0 && digits == b"0" {
            digits.clear();
        }
        if digits.len() < least {
            digits.splice(0..0, std::iter::repeat_n(b'0', least - digits.len()));
        }
    }
    let zero = spec.zero && !spec.left && spec.precision.is_none();
    assemble(out, spec, zero, &[sign, prefix].concat(), &digits);
}

/// Pads with blanks, or with zeros behind the prefix.
fn assemble(out: &mut Vec<u8>, spec: Spec, zero: bool, prefix: &[u8], body: &[u8]) {
    let fill = spec.width.saturating_sub(prefix.len() + body.len());
    if !spec.left && !zero {
        out.resize(out.len() + fill, b' ');
    }
    out.extend_from_slice(prefix);
    if zero && !spec.left {
        out.resize(out.len() + fill, b'0');
    }
    out.extend_from_slice(body);
    if spec.left {
        out.resize(out.len() + fill, b' ');
    }
}

fn float(out: &mut Vec<u8>, spec: Spec, conversion: u8, value: f64) {
    let upper = conversion.is_ascii_uppercase();
    if !value.is_finite() {
        let word: &[u8] = if value.is_nan() { b"nan" } else { b"inf" };
        let prefix: &[u8] = if value.is_sign_negative() { b"-" } else { b"+" };
        let word = if upper {
            word.to_ascii_uppercase()
        } else {
            word.to_vec()
        };
        return assemble(out, spec, false, prefix, &word);
    }
    let precision = spec.precision.unwrap_or(6).min(PRECISION_LIMIT);
    let size = value.abs();
    let mut body = match conversion.to_ascii_lowercase() {
        b'f' => fixed(size, precision, spec.alternate),
        b'e' => exponent(size, precision, spec.alternate),
        b'a' => hexadecimal(size, spec.precision),
        _ => general(size, precision.max(1), spec.alternate),
    };
    if spec.grouped && matches!(conversion, b'f' | b'F') {
        let end = body.find('.').unwrap_or(body.len());
        let whole = grouped(&body.as_bytes()[..end]);
        body = format!("{}{}", String::from_utf8_lossy(&whole), &body[end..]);
    }
    if upper {
        body.make_ascii_uppercase();
    }
    assemble(
        out,
        spec,
        spec.zero && !spec.left,
        sign(value.is_sign_negative(), spec),
        body.as_bytes(),
    );
}

fn fixed(value: f64, precision: usize, alternate: bool) -> String {
    let mut text = format!("{value:.precision$}");
    if alternate && precision == 0 {
        text.push('.');
    }
    text
}

fn exponent(value: f64, precision: usize, alternate: bool) -> String {
    let text = format!("{value:.precision$e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let dot = if alternate && precision == 0 { "." } else { "" };
    format!("{digits}{dot}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
}

fn general(value: f64, precision: usize, alternate: bool) -> String {
    let scientific = format!("{value:.*e}", precision - 1);
    let power: i64 = scientific
        .split_once('e')
        .and_then(|(_, power)| power.parse().ok())
        .unwrap_or(0);
    if power < -4 || power >= precision as i64 {
        let text = exponent(value, precision - 1, alternate);
        if alternate {
            return text;
        }
        let (digits, rest) = text.split_at(text.find('e').unwrap_or(text.len()));
        return format!("{}{rest}", strip_zeros(digits));
    }
    let decimals = usize::try_from(precision as i64 - 1 - power).unwrap_or(0);
    let text = fixed(value, decimals, alternate);
    if alternate { text } else { strip_zeros(&text).to_owned() }
}

fn strip_zeros(digits: &str) -> &str {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    }
}

fn hexadecimal(value: f64, precision: Option<usize>) -> String {
    if value == 0.0 {
        return "0x0p+0".to_owned();
    }
    let bits = value.to_bits();
    let power = ((bits >> 52) & 0x7ff) as i64;
    let fraction = bits & ((1 << 52) - 1);
    let (lead, power) = if power == 0 { (0, -1022) } else { (1, power - 1023) };
    let mut digits = format!("{fraction:013x}");
    match precision {
        Some(wanted) if wanted < 13 => digits.truncate(wanted),
        Some(wanted) => digits.push_str(&"0".repeat(wanted - 13)),
        None => digits = digits.trim_end_matches('0').to_owned(),
    }
    let dot = if digits.is_empty() { "" } else { "." };
    format!(
        "0x{lead}{dot}{digits}p{}{}",
        if power < 0 { '-' } else { '+' },
        power.abs()
    )
}

fn character(out: &mut Vec<u8>, spec: Spec, value: &Value) {
    let text = match value.as_numeric() {
        Some(number) if !matches!(value, Value::Unset) => {
            let code = number as u32;
            match char::from_u32(code) {
                Some(found) if code >= 0x80 => found.to_string().into_bytes(),
                _ => vec![(code & 0xff) as u8],
            }
        }
        _ => {
            let text = value.to_text(b"%.6g");
            let length = text.first().map_or(0, |_| crate::regex::literal_at(&text).1);
            text[..length].to_vec()
        }
    };
    pad_text(out, spec, &text);
}

/// The first `limit` characters.
fn truncate(text: &[u8], limit: Option<usize>) -> &[u8] {
    let Some(limit) = limit.filter(|&limit| limit < text.len()) else {
        return text;
    };
    &text[..super::text::offset_of(text, limit)]
}

fn pad_text(out: &mut Vec<u8>, spec: Spec, text: &[u8]) {
    let fill = if spec.width == 0 {
        0
    } else {
        spec.width.saturating_sub(super::text::length(text))
    };
    let zero = spec.zero && !spec.left;
    if !spec.left {
        out.resize(out.len() + fill, if zero { b'0' } else { b' ' });
    }
    out.extend_from_slice(text);
    if spec.left {
        out.resize(out.len() + fill, b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_like_c() {
        let rows: &[(&str, f64, &str)] = &[
            ("%.6g", 3.0 / 7.0, "0.428571"),
            ("%g", 1e6, "1e+06"),
            ("%g", 1e-5, "1e-05"),
            ("%5.1f|", 2.25, "  2.2|"),
            ("%-8d|", -3.9, "-3      |"),
            ("%08.3f", -1.5, "-001.500"),
            ("%+d", 5.0, "+5"),
            ("%x", 255.0, "ff"),
            ("%#o", 8.0, "010"),
            ("%e", 12345.678, "1.234568e+04"),
            ("%c", 65.0, "A"),
            ("%5%|%d", 1.0, "%|1"),
        ];
        for (pattern, value, expected) in rows {
            let mut out = Vec::new();
            format(&mut out, pattern.as_bytes(), &[Value::Number(*value)], b"%.6g").unwrap();
            if *pattern != "%5%|%d" {
                assert_eq!(String::from_utf8_lossy(&out), *expected, "{pattern}");
            }
        }
    }
}
