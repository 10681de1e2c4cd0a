//! `seq` over integers; fractions and formats need the complete tool.

use std::ffi::OsString;

use agentos_tools_base::io::{BLOCK, bytes_of};

use crate::write;

pub(super) fn seq(args: &[OsString]) -> Option<i32> {
    let mut separator = b"\n".to_vec();
    let mut equal_width = false;
    let mut words = args.get(1..).unwrap_or_default();
    while let Some((first, rest)) = words.split_first() {
        match bytes_of(first) {
            b"-w" | b"--equal-width" => equal_width = true,
            b"-s" => {
                separator = bytes_of(rest.first()?).to_vec();
                words = &rest[1..];
                continue;
            }
            [b'-', b's', text @ ..] if !text.is_empty() => separator = text.to_vec(),
            [b'-', next, ..] if !next.is_ascii_digit() => return None,
            _ => break,
        }
        words = rest;
    }
    let numbers: Vec<i64> = words.iter().map(integer).collect::<Option<_>>()?;
    let (first, step, last) = match numbers.as_slice() {
        [last] => (1, 1, *last),
        [first, last] => (*first, 1, *last),
        [first, step, last] if *step != 0 => (*first, *step, *last),
        _ => return None,
    };
    let width = if equal_width {
        first
            .to_string()
            .len()
            .max(largest(first, step, last).to_string().len())
    } else {
        0
    };
    Some(write::done("seq", print(first, step, last, width, &separator)))
}

/// Decimal digits with a sign, at most 15, as they are printed; anything else is for the complete tool.
fn integer(word: &OsString) -> Option<i64> {
    let text = word.to_str()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.len() <= 15 && digits.bytes().all(|b| b.is_ascii_digit());
    let canonical = (digits == "0" && digits.len() == text.len()) || !digits.starts_with('0');
    (plain && canonical).then(|| text.parse().ok()).flatten()
}

/// The last number that is printed, which is `last` or short of it.
fn largest(first: i64, step: i64, last: i64) -> i64 {
    if (step > 0 && first > last) || (step < 0 && first < last) {
        first
    } else {
        last
    }
}

fn print(first: i64, step: i64, last: i64, width: usize, separator: &[u8]) -> std::io::Result<()> {
    let mut out = Vec::with_capacity(BLOCK + 64);
    let mut value = first;
    let within = |value: i64| if step > 0 { value <= last } else { value >= last };
    while within(value) {
        if value != first {
            out.extend_from_slice(separator);
        }
        append(value, width, &mut out);
        if out.len() >= BLOCK {
            write::raw(&out)?;
            out.clear();
        }
        value += step;
    }
    if value != first {
        out.push(b'\n');
    }
    write::raw(&out)
}

fn append(value: i64, width: usize, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
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
    let sign = usize::from(value < 0);
    if sign == 1 {
        out.push(b'-');
    }
    let length = digits.len() - at + sign;
    out.resize(out.len() + width.saturating_sub(length), b'0');
    out.extend_from_slice(&digits[at..]);
}
