//! Calendar time for prompts, history and `printf %(...)T`. The VM's clock is UTC unless `TZ` is an offset.

/// Date and time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// Year.
    pub year: i64,
    /// 1 to 12
    pub month: u32,
    /// 1 to 31
    pub day: u32,
    /// 0 to 23
    pub hour: u32,
    /// 0 to 59
    pub minute: u32,
    /// 0 to 59
    pub second: u32,
    /// 0 is Sunday.
    pub weekday: u32,
    /// 1 to 366
    pub yearday: u32,
}

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

/// The date of a time in s since the epoch.
pub fn date(seconds: i64) -> Date {
    let days = seconds.div_euclid(86_400);
    let rest = seconds.rem_euclid(86_400) as u32;
    // Civil date from the number of days, in eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][(month - 1) as usize];
    Date {
        year,
        month,
        day,
        hour: rest / 3600,
        minute: rest / 60 % 60,
        second: rest % 60,
        weekday: (days + 4).rem_euclid(7) as u32,
        yearday: before + day + u32::from(leap && month > 2),
    }
}

/// As `strftime(3)`.
pub fn format(format: &str, seconds: i64) -> String {
    let d = date(seconds);
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let Some(c) = chars.next() else {
            out.push('%');
            break;
        };
        out.push_str(&field(c, &d, seconds));
    }
    out
}

fn field(c: char, d: &Date, seconds: i64) -> String {
    let (day, month) = (DAYS[d.weekday as usize], MONTHS[(d.month - 1) as usize]);
    let hour12 = if d.hour.is_multiple_of(12) { 12 } else { d.hour % 12 };
    match c {
        'Y' => d.year.to_string(),
        'C' => format!("{:02}", d.year.div_euclid(100)),
        'y' => format!("{:02}", d.year.rem_euclid(100)),
        'm' => format!("{:02}", d.month),
        'd' => format!("{:02}", d.day),
        'e' => format!("{:2}", d.day),
        'H' => format!("{:02}", d.hour),
        'I' => format!("{hour12:02}"),
        'M' => format!("{:02}", d.minute),
        'S' => format!("{:02}", d.second),
        'p' => if d.hour < 12 { "AM" } else { "PM" }.to_owned(),
        'j' => format!("{:03}", d.yearday),
        'a' => day[..3].to_owned(),
        'A' => day.to_owned(),
        'b' | 'h' => month[..3].to_owned(),
        'B' => month.to_owned(),
        'u' => if d.weekday == 0 { 7 } else { d.weekday }.to_string(),
        'w' => d.weekday.to_string(),
        'F' => format!("{}-{:02}-{:02}", d.year, d.month, d.day),
        'T' | 'X' => format!("{:02}:{:02}:{:02}", d.hour, d.minute, d.second),
        'R' => format!("{:02}:{:02}", d.hour, d.minute),
        'r' => format!(
            "{hour12:02}:{:02}:{:02} {}",
            d.minute,
            d.second,
            if d.hour < 12 { "AM" } else { "PM" }
        ),
        'D' | 'x' => format!("{:02}/{:02}/{:02}", d.month, d.day, d.year.rem_euclid(100)),
        'c' => format!(
            "{} {} {:2} {:02}:{:02}:{:02} {}",
            &day[..3],
            &month[..3],
            d.day,
            d.hour,
            d.minute,
            d.second,
            d.year
        ),
        's' => seconds.to_string(),
        'z' => "+0000".to_owned(),
        'Z' => "UTC".to_owned(),
        'n' => "\n".to_owned(),
        't' => "\t".to_owned(),
        '%' => "%".to_owned(),
        c => format!("%{c}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(format("%F %T %a %j", 0), "1970-01-01 00:00:00 Thu 001");
        assert_eq!(format("%F %T", 951_782_400), "2000-02-29 00:00:00");
        assert_eq!(format("%F %A", 1_700_000_000), "2023-11-14 Tuesday");
        assert_eq!(format("%F", -1), "1969-12-31");
    }
}
