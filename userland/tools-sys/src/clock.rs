//! Civil time: the local zone, and dates as `strftime` writes them.

mod format;

pub(crate) use format::format;

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;

/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;

/// A point in time: seconds since the epoch and nanoseconds into that second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Instant {
    pub(crate) secs: i64,
    pub(crate) nanos: u32,
}

impl Instant {
    pub(crate) fn new(secs: i64, nanos: i64) -> Self {
        Self {
            secs,
            nanos: nanos.clamp(0, 999_999_999) as u32,
        }
    }

    pub(crate) fn now() -> Self {
        SystemTime::now().into()
    }

    /// Nanoseconds since the epoch, as far as they fit.
    #[cfg(target_family = "wasm")]
    pub(crate) fn as_nanos(self) -> i64 {
        self.secs
            .saturating_mul(1_000_000_000)
            .saturating_add(i64::from(self.nanos))
    }
}

impl From<SystemTime> for Instant {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => Self {
                secs: since.as_secs() as i64,
                nanos: since.subsec_nanos(),
            },
            Err(before) => {
                let back = before.duration();
                match back.subsec_nanos() {
                    0 => Self {
                        secs: -(back.as_secs() as i64),
                        nanos: 0,
                    },
                    nanos => Self {
                        secs: -(back.as_secs() as i64) - 1,
                        nanos: 1_000_000_000 - nanos,
                    },
                }
            }
        }
    }
}

/// A date and time of day in some zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: u32,
    /// 1 to 31.
    pub(crate) day: u32,
    pub(crate) hour: u32,
    pub(crate) minute: u32,
    pub(crate) second: u32,
    pub(crate) nanos: u32,
    /// 0 is Sunday.
    pub(crate) weekday: u32,
    /// 0 is the first of January.
    pub(crate) yearday: u32,
    /// Seconds east of Greenwich.
    pub(crate) offset: i32,
    pub(crate) zone: String,
    /// Seconds since the epoch.
    pub(crate) epoch: i64,
}

/// A time zone.
pub(crate) struct Zone(Option<TimeZone>);

impl Zone {
    /// The zone that `TZ` or `/etc/localtime` names, else UTC.
    pub(crate) fn local() -> Self {
        match std::env::var("TZ").as_deref() {
            Ok("" | "UTC" | "UTC0" | "GMT" | "GMT0") => Self(None),
            Err(_) if !std::path::Path::new("/etc/localtime").exists() => Self(None),
            _ => Self(TimeZone::try_system().ok()),
        }
    }

    /// Coordinated universal time.
    pub(crate) const fn utc() -> Self {
        Self(None)
    }

    /// The date and time of day of an instant.
    pub(crate) fn civil(&self, at: Instant) -> Civil {
        let info = self.0.as_ref().and_then(|zone| {
            let stamp = jiff::Timestamp::from_second(at.secs).ok()?;
            let info = zone.to_offset_info(stamp);
            Some((info.offset().seconds(), info.abbreviation().to_owned()))
        });
        let (offset, zone) = info.unwrap_or_else(|| (0, "UTC".to_owned()));
        civil(at, offset, zone)
    }
}

fn civil(at: Instant, offset: i32, zone: String) -> Civil {
    let local = at.secs.saturating_add(i64::from(offset));
    let (days, rest) = (local.div_euclid(DAY), local.rem_euclid(DAY));
    let (year, month, day) = date_of(days);
    Civil {
        year,
        month,
        day,
        hour: (rest / 3600) as u32,
        minute: (rest / 60 % 60) as u32,
        second: (rest % 60) as u32,
        nanos: at.nanos,
        weekday: (days + 4).rem_euclid(7) as u32,
        yearday: (days - days_to(year, 1, 1)) as u32,
        offset,
        zone,
        epoch: at.secs,
    }
}

/// The date that lies `days` after the epoch. Years are counted from March, so that the leap day is a year's last.
pub(crate) fn date_of(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = (of_year - (153 * from_march + 2) / 5 + 1) as u32;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Days from the epoch to a date.
pub(crate) fn days_to(year: i64, month: u32, day: u32) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let from_march = (i64::from(month) + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_days_are_inverse() {
        for days in (-800_000..800_000).step_by(97) {
            let (year, month, day) = date_of(days);
            assert_eq!(days_to(year, month, day), days);
        }
        assert_eq!(date_of(0), (1970, 1, 1));
        assert_eq!(date_of(11_016), (2000, 2, 29));
    }

    #[test]
    fn a_day_of_the_week_and_year_is_known() {
        let civil = Zone::utc().civil(Instant::new(1_700_000_000, 0));
        assert_eq!(
            (civil.year, civil.month, civil.day, civil.weekday, civil.yearday),
            (2023, 11, 14, 2, 317)
        );
        assert_eq!((civil.hour, civil.minute, civil.second), (22, 13, 20));
    }
}
