//! `systime`, `strftime`, `mktime`; local time is UTC.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the epoch.
pub fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |passed| passed.as_secs() as f64)
}

/// A time by the conversions of C's `strftime`.
pub fn strftime(pattern: &[u8], moment: f64) -> Vec<u8> {
    let Some(time) = DateTime::<Utc>::from_timestamp(moment as i64, 0) else {
        return Vec::new();
    };
    let pattern = String::from_utf8_lossy(pattern)
        .replace("%Z", "UTC")
        .replace("%c", "%a %b %e %H:%M:%S %Y");
    let mut out = String::new();
    // A conversion that does not exist makes formatting fail; the pattern itself is as good an answer.
    match write!(out, "{}", time.format(&pattern)) {
        Ok(()) => out.into_bytes(),
        Err(_) => pattern.into_bytes(),
    }
}

/// Seconds since the epoch of `YYYY MM DD HH MM SS`, fields out of range carried over; -1 if it is none.
pub fn mktime(text: &[u8]) -> f64 {
    let text = String::from_utf8_lossy(text);
    let fields: Vec<i64> = text.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let [year, month, day, hour, minute, second, ..] = fields[..] else {
        return -1.0;
    };
    let months = year.saturating_mul(12).saturating_add(month - 1);
    let year = i32::try_from(months.div_euclid(12)).ok();
    let month = u32::try_from(months.rem_euclid(12) + 1).ok();
    let date = year
        .zip(month)
        .and_then(|(year, month)| NaiveDate::from_ymd_opt(year, month, 1));
    let seconds = [(day - 1, 86_400), (hour, 3600), (minute, 60), (second, 1)]
        .iter()
        .fold(0i64, |sum, (count, unit)| {
            sum.saturating_add(count.saturating_mul(*unit))
        });
    let start = date
        .and_then(|date| date.and_hms_opt(0, 0, 0))
        .map(|time| time.and_utc());
    let moment = start
        .zip(TimeDelta::try_seconds(seconds))
        .and_then(|(start, delta)| start.checked_add_signed(delta));
    moment.map_or(-1.0, |moment| moment.timestamp() as f64)
}
