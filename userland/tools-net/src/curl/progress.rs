//! The progress meter and the progress bar, on standard error.

use crate::engine::{Counts, Meter, sys};
use std::io::Write;
use std::time::Duration;

/// The table of numbers.
#[derive(Default)]
pub(super) struct Table {
    started: bool,
    /// Moments and bytes of the last seconds, for the current speed.
    recent: Vec<(Duration, u64)>,
}

impl Meter for Table {
    fn tick(&mut self, counts: &Counts, elapsed: Duration, last: bool) {
        let mut line = String::new();
        if !self.started {
            self.started = true;
            line.push_str(TITLE);
        }
        line.push_str(&self.line(counts, elapsed));
        if last {
            line.push('\n');
        }
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

impl Table {
    fn line(&mut self, counts: &Counts, elapsed: Duration) -> String {
        let moved = counts.down + counts.up;
        self.recent.push((elapsed, moved));
        if self.recent.len() > RECENT {
            self.recent.remove(0);
        }
        let (since, before) = self.recent.first().copied().unwrap_or_default();
        let current = match speed(moved - before, elapsed.saturating_sub(since)) {
            0 => speed(moved, elapsed),
            speed => speed,
        };
        let total = counts.down_total.unwrap_or(counts.down) + counts.up_total.unwrap_or(counts.up);
        let (down, up) = (speed(counts.down, elapsed), speed(counts.up, elapsed));
        let known = counts.down_total.is_some() || counts.up_total.is_some_and(|total| total > 0);
        let rate = down.max(up);
        let whole = (known && rate > 0).then(|| Duration::from_secs(total / rate.max(1)));
        let left = whole.map(|whole| whole.saturating_sub(elapsed));
        format!(
            "\r{:3} {}  {:3} {}  {:3} {}  {}  {} {} {} {} {}",
            percent(moved, total),
            five(total),
            percent(counts.down, counts.down_total.unwrap_or(0)),
            five(counts.down),
            percent(counts.up, counts.up_total.unwrap_or(0)),
            five(counts.up),
            five(down),
            five(up),
            clock(whole),
            clock(Some(elapsed)),
            clock(left),
            five(current)
        )
    }
}

/// The bar.
pub(super) struct Bar {
    width: usize,
    drawn: bool,
}

impl Bar {
    /// A bar as wide as the terminal.
    pub(super) fn new() -> Self {
        Self {
            width: sys::terminal_width().unwrap_or(79).clamp(20, 400),
            drawn: false,
        }
    }
}

impl Meter for Bar {
    fn tick(&mut self, counts: &Counts, _: Duration, last: bool) {
        let total = counts.down_total.unwrap_or(0) + counts.up_total.unwrap_or(0);
        if total == 0 && !last {
            return;
        }
        let moved = counts.down + counts.up;
        let share = if total > 0 {
            (moved.min(total) as f64) / (total as f64)
        } else {
            1.0
        };
        let room = self.width - 7;
        let hashes = "#".repeat((share * room as f64) as usize);
        let mut line = format!("\r{hashes:<room$} {:5.1}%", share * 100.0);
        if last && (self.drawn || moved > 0) {
            line.push('\n');
        }
        self.drawn = true;
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// A number in five characters.
fn five(value: u64) -> String {
    const UNITS: [(u64, char); 4] = [(1 << 10, 'k'), (1 << 20, 'M'), (1 << 30, 'G'), (1 << 40, 'T')];
    if value < 100_000 {
        return format!("{value:5}");
    }
    for (unit, letter) in UNITS {
        if value / unit < 100 && unit > 1 << 10 {
            return format!("{:2}.{}{letter}", value / unit, value % unit * 10 / unit);
        }
        if value / unit < 10_000 {
            return format!("{:4}{letter}", value / unit);
        }
    }
    format!("{:4}P", value >> 50)
}

fn percent(part: u64, total: u64) -> u64 {
    (u128::from(part) * 100)
        .checked_div(u128::from(total))
        .map_or(0, |share| u64::try_from(share).unwrap_or(100))
}

/// Bytes per second.
pub(super) fn speed(bytes: u64, time: Duration) -> u64 {
    (u128::from(bytes) * 1_000_000)
        .checked_div(time.as_micros())
        .map_or(0, |speed| u64::try_from(speed).unwrap_or(u64::MAX))
}

/// A duration in eight characters.
fn clock(time: Option<Duration>) -> String {
    let Some(seconds) = time.map(|time| time.as_secs()).filter(|seconds| *seconds > 0) else {
        return "--:--:--".to_owned();
    };
    match seconds / 3600 {
        hours @ 0..100 => format!("{hours:2}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
        hours if hours / 24 < 1000 => format!("{:3}d {:02}h", hours / 24, hours % 24),
        hours => format!("{:7}d", hours / 24),
    }
}

const TITLE: &str = "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n                                 Dload  Upload   Total   Spent    Left  Speed\n";
const RECENT: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_width() {
        for (value, shown) in [
            (0, "    0"),
            (99_999, "99999"),
            (100_000, "  97k"),
            (10_240_000, "10000k"),
            (1 << 30, "1024M"),
        ] {
            let found = five(value);
            assert!(found == shown || found.len() == 5, "{value}: {found:?}");
        }
        assert_eq!(five(15 << 20), "15.0M");
        for seconds in [0, 59, 3600, 400_000, 100_000_000, u64::MAX] {
            assert_eq!(
                clock(Some(Duration::from_secs(seconds))).len().max(8),
                clock(Some(Duration::from_secs(seconds))).len()
            );
        }
    }

    #[test]
    fn a_line_has_its_columns() {
        let counts = Counts {
            down: 50,
            down_total: Some(100),
            ..Counts::default()
        };
        let line = Table::default().line(&counts, Duration::from_secs(2));
        assert_eq!(
            line,
            "\r 50   100   50    50    0     0     25      0  0:00:04  0:00:02  0:00:02    25"
        );
    }
}
