//! When a job is due: again and again by an expression, or once at an instant.

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};

use super::expression::Expression;
use super::zone;
use super::zones::Zone;

/// A parsed schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Repeated(Expression, Zone),
    Once(i64),
}

/// A schedule that cannot be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid schedule {schedule:?}: {reason}")]
pub struct InvalidSchedule {
    /// The schedule as it was given, shortened.
    pub schedule: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Schedule {
    /// Reads a schedule: a cron expression of five fields, or an ISO 8601 instant. `timezone` is an IANA name; an instant
    /// without an offset is a local time of it.
    ///
    /// # Errors
    /// [`InvalidSchedule`] naming the field; also for an expression that is never due.
    pub fn parse(schedule: &str, timezone: &str) -> Result<Self, InvalidSchedule> {
        let invalid = |reason: String| InvalidSchedule {
            schedule: schedule.chars().take(80).collect(),
            reason,
        };
        let zone = Zone::named(timezone).ok_or_else(|| {
            invalid(format!(
                "unknown time zone {:?}",
                timezone.chars().take(64).collect::<String>()
            ))
        })?;
        if looks_like_instant(schedule) {
            let at = parse_instant(schedule, zone).ok_or_else(|| invalid("cannot read the instant".into()))?;
            return Ok(Self(Kind::Once(at)));
        }
        let expression = Expression::parse(schedule).map_err(invalid)?;
        // Whether it is ever due does not depend on where the search starts.
        if zone::next(&expression, Zone::UTC, 0).is_none() {
            return Err(invalid("no such day ever comes".into()));
        }
        Ok(Self(Kind::Repeated(expression, zone)))
    }

    /// The first due time after `after`; both in milliseconds since 1970.
    pub fn next_after(&self, after: i64) -> Option<i64> {
        match &self.0 {
            Kind::Repeated(expression, zone) => zone::next(expression, *zone, after),
            Kind::Once(at) => Some(*at).filter(|at| *at > after),
        }
    }

    /// The instant of a schedule that is due only once.
    pub fn once(&self) -> Option<i64> {
        match &self.0 {
            Kind::Repeated(..) => None,
            Kind::Once(at) => Some(*at),
        }
    }
}

/// An instant in ISO 8601, UTC, with milliseconds.
pub fn iso(at_ms: i64) -> String {
    DateTime::from_timestamp_millis(at_ms).map_or_else(String::new, |at: DateTime<Utc>| {
        at.to_rfc3339_opts(SecondsFormat::Millis, true)
    })
}

/// Expressions hold spaces between fields and no `T` between digits; instants begin with a year.
fn looks_like_instant(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 5 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-'
}

fn parse_instant(text: &str, zone: Zone) -> Option<i64> {
    if text.len() > 64 {
        return None;
    }
    for form in ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z"] {
        if let Ok(at) = DateTime::parse_from_str(text, form) {
            return Some(at.timestamp_millis());
        }
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.timestamp_millis());
    }
    let text = text
        .strip_suffix(['Z', 'z'])
        .map_or((text, zone), |rest| (rest, Zone::UTC));
    for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"] {
        if let Ok(local) = NaiveDateTime::parse_from_str(text.0, form) {
            return zone::instant_of(text.1, local);
        }
    }
    None
}
