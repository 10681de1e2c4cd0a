//! `strftime` with the flags and widths of GNU `date`.

use super::Civil;

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Widths beyond this are cut, so that a format cannot ask for all memory.
const WIDEST: usize = 4096;

#[derive(Default, Clone, Copy)]
struct Flags {
    pad: Option<u8>,
    upper: bool,
    swap: bool,
    width: Option<usize>,
    colons: usize,
}

/// Appends `time` in the given format.
pub(crate) fn format(pattern: &[u8], time: &Civil, out: &mut Vec<u8>) {
    let mut rest = pattern;
    while let Some(at) = rest.iter().position(|b| *b == b'%') {
        out.extend_from_slice(&rest[..at]);
        let spec = &rest[at..];
        let (flags, taken) = flags(&spec[1..]);
        match spec.get(1 + taken) {
            Some(letter) => {
                if !field(*letter, flags, time, out) {
                    out.extend_from_slice(&spec[..taken + 2]);
                }
                rest = &spec[taken + 2..];
            }
            None => {
                out.extend_from_slice(spec);
                rest = &[];
            }
        }
    }
    out.extend_from_slice(rest);
}

fn flags(spec: &[u8]) -> (Flags, usize) {
    let mut flags = Flags::default();
    let mut at = 0;
    while let Some(byte) = spec.get(at) {
        match byte {
            b'-' | b'_' | b'0' => flags.pad = Some(*byte),
            b'+' => flags.pad = Some(b'0'),
            b'^' => flags.upper = true,
            b'#' => flags.swap = true,
            _ => break,
        }
        at += 1;
    }
    let digits = spec[at..].iter().take_while(|b| b.is_ascii_digit()).count();
    if digits > 0 {
        let text = String::from_utf8_lossy(&spec[at..at + digits]);
        flags.width = Some(text.parse().unwrap_or(WIDEST).min(WIDEST));
        at += digits;
    }
    while let Some(b'E' | b'O') = spec.get(at) {
        at += 1;
    }
    while spec.get(at) == Some(&b':') && flags.colons < 3 {
        flags.colons += 1;
        at += 1;
    }
    (flags, at)
}

/// Appends one field; false if there is none of that letter.
fn field(letter: u8, flags: Flags, time: &Civil, out: &mut Vec<u8>) -> bool {
    if flags.colons > 0 && letter != b'z' {
        return false;
    }
    let number = |value: i64, digits: usize, pad: u8| Field::Number(value, digits, pad);
    let hour12 = i64::from((time.hour + 11) % 12 + 1);
    let half = if time.hour < 12 { "AM" } else { "PM" };
    let (iso_year, iso_week) = iso(time);
    let week = |first: u32| i64::from((time.yearday + 7 - (time.weekday + 7 - first) % 7) / 7);
    let field = match letter {
        b'%' => Field::Text("%".to_owned()),
        b'n' => Field::Text("\n".to_owned()),
        b't' => Field::Text("\t".to_owned()),
        b'a' => Field::Text(DAYS[time.weekday as usize % 7][..3].to_owned()),
        b'A' => Field::Text(DAYS[time.weekday as usize % 7].to_owned()),
        b'b' | b'h' => Field::Text(MONTHS[(time.month as usize + 11) % 12][..3].to_owned()),
        b'B' => Field::Text(MONTHS[(time.month as usize + 11) % 12].to_owned()),
        b'c' => composed(b"%a %b %e %H:%M:%S %Y", time),
        b'C' => number(time.year.div_euclid(100), 2, b'0'),
        b'd' => number(i64::from(time.day), 2, b'0'),
        b'D' | b'x' => composed(b"%m/%d/%y", time),
        b'e' => number(i64::from(time.day), 2, b'_'),
        b'F' => composed(b"%Y-%m-%d", time),
        b'g' => number(iso_year.rem_euclid(100), 2, b'0'),
        b'G' => number(iso_year, 1, b'0'),
        b'H' => number(i64::from(time.hour), 2, b'0'),
        b'I' => number(hour12, 2, b'0'),
        b'j' => number(i64::from(time.yearday) + 1, 3, b'0'),
        b'k' => number(i64::from(time.hour), 2, b'_'),
        b'l' => number(hour12, 2, b'_'),
        b'm' => number(i64::from(time.month), 2, b'0'),
        b'M' => number(i64::from(time.minute), 2, b'0'),
        b'N' => return nanos(flags, time.nanos, out),
        b'p' => Field::Text(if flags.swap {
            half.to_lowercase()
        } else {
            half.to_owned()
        }),
        b'P' => Field::Text(half.to_lowercase()),
        b'q' => number(i64::from(time.month.div_ceil(3)), 1, b'0'),
        b'r' => composed(b"%I:%M:%S %p", time),
        b'R' => composed(b"%H:%M", time),
        b's' => number(time.epoch, 1, b'0'),
        b'S' => number(i64::from(time.second), 2, b'0'),
        b'T' | b'X' => composed(b"%H:%M:%S", time),
        b'u' => number(i64::from((time.weekday + 6) % 7 + 1), 1, b'0'),
        b'U' => number(week(0), 2, b'0'),
        b'V' => number(iso_week, 2, b'0'),
        b'w' => number(i64::from(time.weekday), 1, b'0'),
        b'W' => number(week(1), 2, b'0'),
        b'y' => number(time.year.rem_euclid(100), 2, b'0'),
        b'Y' => number(time.year, 1, b'0'),
        b'z' => match zone(time.offset, flags.colons) {
            Some(text) => Field::Zone(text),
            None => return false,
        },
        b'Z' => Field::Text(if flags.swap {
            time.zone.to_lowercase()
        } else {
            time.zone.clone()
        }),
        _ => return false,
    };
    field.write(flags, letter, out);
    true
}

enum Field {
    Text(String),
    Number(i64, usize, u8),
    Zone(String),
}

fn composed(pattern: &[u8], time: &Civil) -> Field {
    let mut text = Vec::new();
    format(pattern, time, &mut text);
    Field::Text(String::from_utf8_lossy(&text).into_owned())
}

impl Field {
    fn write(self, flags: Flags, letter: u8, out: &mut Vec<u8>) {
        let width = flags.width.unwrap_or(0);
        match self {
            Self::Text(text) => {
                let swapped = flags.swap && !matches!(letter, b'p' | b'Z');
                let text = if flags.upper || swapped {
                    text.to_uppercase()
                } else {
                    text
                };
                let pad = if flags.pad == Some(b'0') { b'0' } else { b' ' };
                if flags.pad != Some(b'-') {
                    out.resize(out.len() + width.saturating_sub(text.chars().count()), pad);
                }
                out.extend_from_slice(text.as_bytes());
            }
            Self::Number(value, digits, pad) => {
                let pad = flags.pad.unwrap_or(pad);
                let width = flags.width.unwrap_or(digits);
                let text = value.unsigned_abs().to_string();
                let sign = usize::from(value < 0);
                let fill = if pad == b'-' {
                    0
                } else {
                    width.saturating_sub(text.len() + sign)
                };
                if pad == b'_' {
                    out.resize(out.len() + fill, b' ');
                }
                if value < 0 {
                    out.push(b'-');
                }
                if pad == b'0' {
                    out.resize(out.len() + fill, b'0');
                }
                out.extend_from_slice(text.as_bytes());
            }
            Self::Zone(text) => {
                let fill = width.saturating_sub(text.len());
                match flags.pad {
                    Some(b'_') => {
                        let (sign, digits) = text.split_at(1);
                        let lead = digits.strip_prefix('0').map_or(0, |_| 1);
                        out.resize(out.len() + fill + lead, b' ');
                        out.extend_from_slice(sign.as_bytes());
                        out.extend_from_slice(&digits.as_bytes()[lead..]);
                    }
                    Some(b'-') => {
                        let (sign, digits) = text.split_at(1);
                        out.extend_from_slice(sign.as_bytes());
                        out.extend_from_slice(digits.strip_prefix('0').unwrap_or(digits).as_bytes());
                    }
                    _ => {
                        out.push(text.as_bytes()[0]);
                        out.resize(out.len() + fill, b'0');
                        out.extend_from_slice(&text.as_bytes()[1..]);
                    }
                }
            }
        }
    }
}

/// Nanoseconds: a width cuts digits off or appends zeros.
fn nanos(flags: Flags, nanos: u32, out: &mut Vec<u8>) -> bool {
    let text = format!("{nanos:09}");
    match flags.pad {
        Some(b'-') => out.extend_from_slice(nanos_trimmed(&text).as_bytes()),
        Some(b'_') => {
            let trimmed = nanos_trimmed(&text);
            out.extend_from_slice(trimmed.as_bytes());
            let width = flags.width.unwrap_or(9);
            out.resize(out.len() + width.saturating_sub(trimmed.len()), b' ');
        }
        _ => {
            let width = flags.width.unwrap_or(9);
            out.extend_from_slice(&text.as_bytes()[..width.min(9)]);
            out.resize(out.len() + width.saturating_sub(9), b'0');
        }
    }
    true
}

fn nanos_trimmed(text: &str) -> &str {
    let trimmed = text.trim_end_matches('0');
    if trimmed.is_empty() { "0" } else { trimmed }
}

fn zone(offset: i32, colons: usize) -> Option<String> {
    let sign = if offset < 0 { '-' } else { '+' };
    let seconds = offset.unsigned_abs();
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    Some(match colons {
        0 => format!("{sign}{h:02}{m:02}"),
        1 => format!("{sign}{h:02}:{m:02}"),
        2 => format!("{sign}{h:02}:{m:02}:{s:02}"),
        _ if s != 0 => format!("{sign}{h:02}:{m:02}:{s:02}"),
        _ if m != 0 => format!("{sign}{h:02}:{m:02}"),
        _ => format!("{sign}{h:02}"),
    })
}

/// Year and week of ISO 8601.
fn iso(time: &Civil) -> (i64, i64) {
    let from_monday = i64::from((time.weekday + 6) % 7);
    let yearday = i64::from(time.yearday);
    // The week belongs to the year of its Thursday.
    let thursday = yearday - from_monday + 3;
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = |year: i64| if leap(year) { 366 } else { 365 };
    if thursday < 0 {
        let year = time.year - 1;
        return (year, (thursday + length(year)) / 7 + 1);
    }
    if thursday >= length(time.year) {
        return (time.year + 1, (thursday - length(time.year)) / 7 + 1);
    }
    (time.year, thursday / 7 + 1)
}

#[cfg(test)]
mod tests {
    use super::super::{Instant, Zone};
    use super::*;

    fn of(pattern: &str, secs: i64) -> String {
        let mut out = Vec::new();
        format(
            pattern.as_bytes(),
            &Zone::utc().civil(Instant::new(secs, 123_000_000)),
            &mut out,
        );
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_are_written_as_date_does() {
        let at = 1_700_000_000;
        assert_eq!(of("%F %T.%N %z %Z", at), "2023-11-14 22:13:20.123000000 +0000 UTC");
        assert_eq!(
            of("%a %A %b %B %j %U %W %V %G %u %w", at),
            "Tue Tuesday Nov November 318 46 46 46 2023 2 2"
        );
        assert_eq!(
            of("%-d|%_H|%^a|%#p|%3N|%10Y|%_10Y|%:z|%::z|%:::z", 0),
            "1| 0|THU|am|123|0000001970|      1970|+00:00|+00:00:00|+00"
        );
        assert_eq!(
            of("%c|%D|%r|%R|%e|%k|%l|%s|%%|%Q|%", 3600),
            "Thu Jan  1 01:00:00 1970|01/01/70|01:00:00 AM|01:00| 1| 1| 1|3600|%|%Q|%"
        );
    }

    #[test]
    fn weeks_at_the_turn_of_the_year() {
        // 2021-01-01 was a Friday, 2018-12-31 a Monday.
        assert_eq!(of("%G-W%V", 1_609_459_200), "2020-W53");
        assert_eq!(of("%G-W%V", 1_546_214_400), "2019-W01");
    }
}
