//! Local times of a zone on the line of real time.
//!
//! Every local minute has exactly one instant: its first, if clocks go back and it occurs twice; that of the next minute that
//! exists, if clocks go forward over it. This mapping never goes backwards, which makes the search below simple.

use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveDateTime, TimeDelta, Timelike as _};

use super::expression::Expression;
use super::zones::Zone;

/// How far ahead the search looks: two leap years may be eight years apart.
const MAX_DAYS: u32 = 366 * 9;
/// The longest time that clocks were ever put forward, with room.
const MAX_GAP_MINUTES: u32 = 26 * 60;

/// The first instant after `after` (milliseconds since 1970) at which `expression` is due in `zone`.
pub(super) fn next(expression: &Expression, zone: Zone, after: i64) -> Option<i64> {
    let offset = TimeDelta::seconds(zone.offset_at(after.div_euclid(1000)));
    let local = DateTime::from_timestamp_millis(after)?
        .naive_utc()
        .checked_add_signed(offset)?;
    let start = local.checked_add_signed(TimeDelta::minutes(1))?;
    let (mut hour, mut minute) = (start.hour(), start.minute());
    let mut date = start.date();
    for _ in 0..MAX_DAYS {
        if expression.has_day(date.month(), date.day(), date.weekday().num_days_from_sunday()) {
            for (hour, minute) in expression.times_from(hour, minute) {
                // Minutes that occur twice and whose first time is over are passed by.
                if let Some(at) = instant(zone, date, hour, minute).filter(|at| *at > after) {
                    return Some(at);
                }
            }
        }
        date = date.checked_add_days(Days::new(1))?;
        (hour, minute) = (0, 0);
    }
    None
}

/// The instant of a local time, by the rule above.
pub(super) fn instant_of(zone: Zone, local: NaiveDateTime) -> Option<i64> {
    let mut local = local;
    for _ in 0..MAX_GAP_MINUTES {
        if let Some(instant) = zone.first_instant_of(local.and_utc().timestamp()) {
            return Some(instant * 1000 + i64::from(local.and_utc().timestamp_subsec_millis()));
        }
        // Within a gap: on to the next whole minute.
        local = local
            .with_second(0)?
            .with_nanosecond(0)?
            .checked_add_signed(TimeDelta::minutes(1))?;
    }
    None
}

fn instant(zone: Zone, date: NaiveDate, hour: u32, minute: u32) -> Option<i64> {
    instant_of(zone, date.and_hms_opt(hour, minute, 0)?)
}
