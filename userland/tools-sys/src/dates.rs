//! Dates as people write them, for `date -d`, `touch -d` and `find -newermt`.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clock::Instant;

/// Reads a date relative to `now`; `utc` reads it in UTC.
pub(crate) fn parse(text: &str, now: Instant, utc: bool) -> Option<Instant> {
    let text = text.trim();
    // An empty date is midnight of this day.
    let text = if text.is_empty() { "00:00" } else { text };
    if let Some(seconds) = text.strip_prefix('@') {
        return epoch(seconds);
    }
    let zone = if utc { TimeZone::UTC } else { local() };
    let base = Timestamp::new(now.secs, now.nanos as i32).ok()?.to_zoned(zone);
    let found = parse_datetime::parse_datetime_at_date(base, text).ok()?;
    Some(Instant::new(
        found.unix_epoch_second(),
        i64::from(found.subsec_nanosecond()),
    ))
}

fn local() -> TimeZone {
    match std::env::var("TZ").as_deref() {
        Ok("" | "UTC" | "UTC0" | "GMT" | "GMT0") => TimeZone::UTC,
        Err(_) if !std::path::Path::new("/etc/localtime").exists() => TimeZone::UTC,
        _ => TimeZone::try_system().unwrap_or(TimeZone::UTC),
    }
}

/// Seconds since the epoch, with a fraction.
fn epoch(text: &str) -> Option<Instant> {
    let (whole, fraction) = text.trim().split_once(['.', ',']).unwrap_or((text.trim(), ""));
    let negative = whole.starts_with('-');
    let secs: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some(match (negative, nanos) {
        (true, 1..) => Instant::new(secs - 1, 1_000_000_000 - nanos),
        _ => Instant::new(secs, nanos),
    })
}

/// Reads `[[CC]YY]MMDDhhmm[.ss]` in the local zone.
pub(crate) fn stamp(text: &str, now: Instant) -> Option<Instant> {
    let (digits, seconds) = text.split_once('.').unwrap_or((text, "00"));
    if !digits.bytes().chain(seconds.bytes()).all(|b| b.is_ascii_digit()) || seconds.len() != 2 {
        return None;
    }
    let this_year = crate::clock::Zone::local().civil(now).year;
    let (year, rest) = match digits.len() {
        8 => (this_year, digits),
        10 => {
            let short: i64 = digits[..2].parse().ok()?;
            (if short < 69 { 2000 + short } else { 1900 + short }, &digits[2..])
        }
        12 => (digits[..4].parse().ok()?, &digits[4..]),
        _ => return None,
    };
    let part = |at: usize| rest[at..at + 2].parse::<i8>().ok();
    let second: i8 = seconds.parse().ok()?;
    // A leap second counts as the second after it.
    let date = jiff::civil::DateTime::new(
        i16::try_from(year).ok()?,
        part(0)?,
        part(2)?,
        part(4)?,
        part(6)?,
        second.min(59),
        0,
    );
    let zoned = date.ok()?.to_zoned(local()).ok()?;
    Some(Instant::new(zoned.timestamp().as_second() + i64::from(second == 60), 0))
}
