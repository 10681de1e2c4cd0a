//! Intervals as `sleep` and `timeout` take them.

use std::ffi::OsStr;
use std::time::Duration;

/// A floating-point number with an optional unit `s`, `m`, `h` or `d`; `inf` is the longest time there is.
pub(crate) fn parse(text: &OsStr) -> Option<Duration> {
    let text = text.to_str()?;
    let (number, factor) = match text.chars().last()? {
        's' => (&text[..text.len() - 1], 1.0),
        'm' => (&text[..text.len() - 1], 60.0),
        'h' => (&text[..text.len() - 1], 3600.0),
        'd' => (&text[..text.len() - 1], 86400.0),
        _ => (text, 1.0),
    };
    if number.starts_with(|c: char| c.is_whitespace()) || number.ends_with(|c: char| c.is_whitespace()) {
        return None;
    }
    let seconds: f64 = number.parse().ok()?;
    if seconds.is_nan() || seconds < 0.0 {
        return None;
    }
    Some(Duration::try_from_secs_f64(seconds * factor).unwrap_or(Duration::MAX))
}

/// Sleeps; the longest time is for ever.
pub(crate) fn wait(time: Duration) {
    const YEAR: Duration = Duration::from_secs(365 * 86400);
    let mut left = time;
    while left > Duration::ZERO {
        std::thread::sleep(left.min(YEAR));
        if time != Duration::MAX {
            left = left.saturating_sub(YEAR);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_fractions() {
        let of = |text: &str| parse(OsStr::new(text));
        assert_eq!(of("1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(of("2m"), Some(Duration::from_secs(120)));
        assert_eq!(of("infinity"), Some(Duration::MAX));
        assert_eq!(
            (of("-1"), of("1x"), of(""), of("nan"), of("s")),
            (None, None, None, None, None)
        );
    }
}
