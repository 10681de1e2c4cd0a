//! Dates as servers and users write them, leniently: RFC 1123, RFC 850, asctime, ISO 8601, and parts of these.

/// Seconds since 1970, or `None` where no date can be made out.
pub fn parse(text: &str) -> Option<i64> {
    let mut found = Found::default();
    let words = text.split(|c: char| c.is_ascii_whitespace() || c == ',' || c == ';');
    for word in words.filter(|word| !word.is_empty()) {
        found.word(word)?;
    }
    found.seconds()
}

/// A moment as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn format(seconds: i64) -> String {
    let days = seconds.div_euclid(DAY);
    let time = seconds.rem_euclid(DAY);
    let (year, month, day) = civil(days);
    let name = usize::try_from((days + 4).rem_euclid(7)).unwrap_or(0);
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        capital(WEEKDAYS[name]),
        capital(MONTHS[usize::try_from(month - 1).unwrap_or(0)]),
        time / 3600,
        time / 60 % 60,
        time % 60
    )
}

/// A moment as logs write it, in UTC: `1994-11-06 08:49:37`.
pub fn stamp(seconds: i64) -> String {
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let time = seconds.rem_euclid(DAY);
    let (hours, minutes, seconds) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02}")
}

#[derive(Default)]
struct Found {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    time: Option<i64>,
    offset: i64,
}

impl Found {
    fn word(&mut self, word: &str) -> Option<()> {
        let lower = word.to_ascii_lowercase();
        if let Some((date, time)) = lower
            .split_once('t')
            .filter(|(date, _)| date.contains('-') && iso(date))
        {
            self.word(date)?;
            return self.word(time.strip_suffix('z').unwrap_or(time));
        }
        if lower.contains(':') {
            return self.clock(&lower);
        }
        if lower.starts_with(['+', '-']) && lower.len() == 5 && self.time.is_some() {
            let value: i64 = lower[1..].parse().ok()?;
            let offset = value / 100 * 3600 + value % 100 * 60;
            self.offset = if lower.starts_with('-') { -offset } else { offset };
            return Some(());
        }
        if lower.contains('-') {
            return self.dashed(&lower);
        }
        if lower.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.number(&lower);
        }
        self.name(&lower)
    }

    fn clock(&mut self, text: &str) -> Option<()> {
        let mut parts = text.split('.').next()?.split(':').map(|part| part.parse::<i64>().ok());
        let (hours, minutes) = (parts.next()??, parts.next()??);
        let seconds = parts.next().unwrap_or(Some(0))?;
        let legal = (0..24).contains(&hours) && (0..60).contains(&minutes) && (0..=60).contains(&seconds);
        self.time = Some(hours * 3600 + minutes * 60 + seconds);
        legal.then_some(())
    }

    fn dashed(&mut self, text: &str) -> Option<()> {
        let parts: Vec<&str> = text.split('-').collect();
        let [a, b, c] = parts.as_slice() else { return None };
        if a.len() == 4 {
            self.year = Some(a.parse().ok()?);
            self.month = Some(b.parse().ok()?);
            self.day = Some(c.parse().ok()?);
        } else {
            self.day = Some(a.parse().ok()?);
            self.month = Some(month(b)?);
            self.year = Some(full_year(c.parse().ok()?, c.len()));
        }
        Some(())
    }

    fn number(&mut self, text: &str) -> Option<()> {
        let value: i64 = text.parse().ok()?;
        if text.len() == 8 && self.year.is_none() {
            (self.year, self.month, self.day) = (Some(value / 10_000), Some(value / 100 % 100), Some(value % 100));
        } else if self.day.is_none() && text.len() <= 2 {
            self.day = Some(value);
        } else if self.year.is_none() {
            self.year = Some(full_year(value, text.len()));
        } else {
            return None;
        }
        Some(())
    }

    fn name(&mut self, text: &str) -> Option<()> {
        if let Some(month) = month(text) {
            self.month = Some(month);
            return Some(());
        }
        let zones = ["gmt", "utc", "z", "ut"];
        let day = text.len() >= 3 && WEEKDAYS.iter().any(|day| text.starts_with(day));
        (day || zones.contains(&text)).then_some(())
    }

    fn seconds(&self) -> Option<i64> {
        let (year, month, day) = (self.year?, self.month?, self.day?);
        let legal = (1583..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        legal.then(|| days(year, month, day) * DAY + self.time.unwrap_or(0) - self.offset)
    }
}

fn iso(date: &str) -> bool {
    date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

fn month(text: &str) -> Option<i64> {
    let at = MONTHS
        .iter()
        .position(|month| text.len() >= 3 && text.starts_with(month))?;
    i64::try_from(at + 1).ok()
}

fn full_year(value: i64, digits: usize) -> i64 {
    match value {
        _ if digits > 2 => value,
        0..70 => value + 2000,
        _ => value + 1900,
    }
}

/// Days since 1970 of a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

fn capital(name: &str) -> String {
    let mut name = name.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    name
}

const DAY: i64 = 86_400;
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_http_mean_the_same() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "1994-11-06T08:49:37Z",
            "1994-11-06 08:49:37",
            "6 Nov 1994 09:49:37 +0100",
        ] {
            assert_eq!(parse(text), Some(784_111_777), "{text}");
        }
        assert_eq!(format(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(stamp(784_111_777), "1994-11-06 08:49:37");
        assert_eq!(parse("20200229"), Some(1_582_934_400));
        assert_eq!(format(1_582_934_400), "Sat, 29 Feb 2020 00:00:00 GMT");
    }

    #[test]
    fn nonsense_is_none() {
        for text in [
            "",
            "yesterday",
            "Sun, 99 Nov 1994 08:49:37 GMT",
            "1-2",
            "12:99:00",
            "99999999999999999999",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
