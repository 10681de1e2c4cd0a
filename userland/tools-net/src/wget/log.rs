//! What wget says while it works, and how it shows progress.

use super::options::{Options, Voice};
use crate::engine::{Counts, Meter, stamp, sys};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where messages go.
pub(super) struct Log {
    file: Option<File>,
    pub(super) voice: Voice,
}

impl Log {
    /// The log of a command line.
    pub(super) fn new(options: &Options) -> io::Result<Self> {
        let file = match &options.log {
            None => None,
            Some((name, append)) => Some(
                OpenOptions::new()
                    .create(true)
                    .append(*append)
                    .write(true)
                    .truncate(!append)
                    .open(name)?,
            ),
        };
        Ok(Self {
            file,
            voice: options.voice,
        })
    }

    /// Says what only a talkative wget says.
    pub(super) fn full(&self, text: &str) {
        if self.voice == Voice::Full {
            self.write(text);
        }
    }

    /// Says what is said unless wget is quiet.
    pub(super) fn brief(&self, text: &str) {
        if self.voice != Voice::Quiet {
            self.write(text);
        }
    }

    /// Says what was asked for by name.
    pub(super) fn always(&self, text: &str) {
        self.write(text);
    }

    fn write(&self, text: &str) {
        let _ = match &self.file {
            Some(file) => (&*file).write_all(text.as_bytes()),
            None => io::stderr().write_all(text.as_bytes()),
        };
    }

    /// A meter for a transfer that begins at `from`.
    pub(super) fn meter(&self, options: &Options, name: &str, from: u64) -> Option<Box<dyn Meter>> {
        let shown = self.voice == Voice::Full && self.file.is_none() || options.show_progress;
        if !shown {
            return None;
        }
        Some(if io::stderr().is_terminal() || options.show_progress {
            Box::new(Bar::new(name, from))
        } else {
            Box::new(Dots {
                shown: from / DOT,
                from,
                begun: false,
                row: Duration::ZERO,
            })
        })
    }
}

/// The time of day in UTC, as log lines begin.
pub(super) fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    stamp(i64::try_from(since.as_secs()).unwrap_or(0))
}

/// Bytes with a unit, for lines that tell a length: ` (1.2M)`.
pub(super) fn human(bytes: u64) -> String {
    const UNITS: [char; 5] = ['K', 'M', 'G', 'T', 'P'];
    let mut value = bytes as f64;
    let mut unit = None;
    for letter in UNITS {
        if value < 1000.0 {
            break;
        }
        value /= 1024.0;
        unit = Some(letter);
    }
    match unit {
        None => bytes.to_string(),
        Some(letter) if value < 9.995 => format!("{value:.1}{letter}"),
        Some(letter) => format!("{value:.0}{letter}"),
    }
}

/// A speed with its unit: `1.23 MB/s`.
pub(super) fn speed(bytes: u64, time: Duration) -> String {
    const UNITS: [&str; 4] = ["B/s", "KB/s", "MB/s", "GB/s"];
    let mut value = bytes as f64 / time.as_secs_f64().max(0.000_001);
    let mut at = 0;
    while value >= 1024.0 && at + 1 < UNITS.len() {
        value /= 1024.0;
        at += 1;
    }
    let shown = if value >= 99.95 {
        format!("{value:.0}")
    } else if value >= 9.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    };
    format!("{shown} {}", UNITS[at])
}

/// A dot for each kilobyte, fifty in a row.
struct Dots {
    shown: u64,
    from: u64,
    begun: bool,
    row: Duration,
}

impl Meter for Dots {
    fn tick(&mut self, counts: &Counts, elapsed: Duration, last: bool) {
        if counts.down == 0 && !last {
            return;
        }
        let have = self.from + counts.down;
        let mut out = String::new();
        if !self.begun {
            self.begun = true;
            self.shown = have.min(self.from) / DOT;
            out.push('\n');
            out.push_str(&format!("{:6}K ", self.shown / ROW * ROW * DOT / 1024));
        }
        while (self.shown + 1) * DOT <= have {
            out.push('.');
            self.shown += 1;
            if self.shown.is_multiple_of(ROW) {
                self.end_row(&mut out, counts, elapsed);
                out.push_str(&format!("\n{:6}K ", self.shown * DOT / 1024));
            } else if self.shown.is_multiple_of(10) {
                out.push(' ');
            }
        }
        if last {
            let open = ROW - self.shown % ROW;
            out.push_str(&" ".repeat(usize::try_from(open + open.saturating_sub(1) / 10).unwrap_or(0)));
            self.end_row(&mut out, counts, elapsed);
            out.push_str("\n\n");
        }
        let _ = io::stderr().write_all(out.as_bytes());
    }
}

impl Dots {
    fn end_row(&mut self, out: &mut String, counts: &Counts, elapsed: Duration) {
        if let Some(total) = counts
            .down_total
            .map(|total| total + self.from)
            .filter(|total| *total > 0)
        {
            let share = (self.shown * DOT).max(counts.down + self.from).min(total) * 100 / total;
            out.push_str(&format!(" {share:2}%"));
        }
        let time = elapsed.saturating_sub(self.row);
        let bytes = (counts.down as f64 / time.as_secs_f64().max(0.001)) as u64;
        out.push_str(&format!(" {:>5}", human(bytes)));
        self.row = elapsed;
    }
}

/// The bar of a terminal.
struct Bar {
    name: String,
    from: u64,
    width: usize,
}

impl Bar {
    fn new(name: &str, from: u64) -> Self {
        Self {
            name: name.chars().take(NAME).collect(),
            from,
            width: sys::terminal_width().unwrap_or(80).clamp(45, 300),
        }
    }
}

impl Meter for Bar {
    fn tick(&mut self, counts: &Counts, elapsed: Duration, last: bool) {
        let have = self.from + counts.down;
        let room = self.width - NAME - 42;
        let (share, bar) = match counts
            .down_total
            .map(|total| total + self.from)
            .filter(|total| *total > 0)
        {
            Some(total) => {
                let filled = (have.min(total) as f64 / total as f64 * room as f64) as usize;
                let bar = format!("{}>", "=".repeat(filled.saturating_sub(1)));
                (format!("{:3}%", have.min(total) * 100 / total), bar)
            }
            None => ("    ".to_owned(), "<=>".to_owned()),
        };
        let time = if last {
            format!("in {:.1}s", elapsed.as_secs_f64())
        } else {
            String::new()
        };
        let line = format!(
            "\r{:<NAME$} {share}[{bar:<room$}] {:>7}  {:>9}    {time:<8}",
            self.name,
            human(have),
            speed(counts.down, elapsed).replace(' ', "")
        );
        let _ = io::stderr().write_all(line.as_bytes());
        if last {
            let _ = io::stderr().write_all(b"\n\n");
        }
    }
}

/// Bytes of a dot.
const DOT: u64 = 1024;
/// Dots of a row.
const ROW: u64 = 50;
/// Columns of a name.
const NAME: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units() {
        assert_eq!(human(999), "999");
        assert_eq!(human(1 << 20), "1.0M");
        assert_eq!(human(50 << 20), "50M");
        assert_eq!(speed(1 << 20, Duration::from_secs(1)), "1.00 MB/s");
    }
}
