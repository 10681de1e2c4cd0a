//! How differences are written.

use std::ffi::OsStr;

use agentos_tools_base::io::shown;

use super::options::{Format, Options};
use super::script::{self, Change};
use super::side;
use super::text::{self, Text};
use crate::clock::{self, Instant, Zone};

/// A side of a comparison.
pub(super) struct Side<'a> {
    pub(super) name: &'a OsStr,
    pub(super) text: Text,
    pub(super) modified: Instant,
}

/// Writes the differences to `out`; whether there are any.
pub(super) fn write(from: &Side<'_>, to: &Side<'_>, options: &Options, out: &mut Vec<u8>) -> bool {
    let (a, b) = text::numbers(&from.text, &to.text, &options.ignore);
    let changes = script::changes(&a, &b);
    let writer = Writer { from, to, options };
    let counted: Vec<Change> = changes
        .iter()
        .copied()
        .filter(|change| !writer.ignored(change))
        .collect();
    match options.format {
        Format::SideBySide => {
            side::write(&from.text, &to.text, &changes, options, out);
            return !counted.is_empty();
        }
        _ if counted.is_empty() => return false,
        Format::Brief => {}
        Format::Normal => counted.iter().for_each(|change| writer.normal(change, out)),
        Format::Ed => counted.iter().rev().for_each(|change| writer.ed(change, out)),
        Format::Context | Format::Unified => {
            let hunks = writer.hunks(&changes);
            if !hunks.is_empty() {
                writer.headers(out);
            }
            for hunk in hunks {
                if options.format == Format::Unified {
                    writer.unified(hunk, out)
                } else {
                    writer.context(hunk, out)
                }
            }
        }
    }
    true
}

struct Writer<'a> {
    from: &'a Side<'a>,
    to: &'a Side<'a>,
    options: &'a Options,
}

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";
const BOLD: &str = "\x1b[1m";
const RESET: &str = "\x1b[0m";

impl Writer<'_> {
    /// Whether all lines of a change are of a kind that does not count.
    fn ignored(&self, change: &Change) -> bool {
        let ignore = &self.options.ignore;
        if !ignore.blank_lines && ignore.matching.is_none() {
            return false;
        }
        let nothing = |line: &[u8]| {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let blank = if ignore.all_space || ignore.amount {
                line.iter().all(u8::is_ascii_whitespace)
            } else {
                line.is_empty()
            };
            (ignore.blank_lines && blank) || ignore.matching.as_ref().is_some_and(|regex| regex.is_match(line))
        };
        let gone = (change.from..change.from + change.deleted).all(|at| nothing(self.from.text.line(at)));
        gone && (change.to..change.to + change.inserted).all(|at| nothing(self.to.text.line(at)))
    }

    fn line(&self, lead: &str, line: &[u8], color: &str, out: &mut Vec<u8>) {
        let painted = self.options.color && !color.is_empty();
        if painted {
            out.extend_from_slice(color.as_bytes());
        }
        out.extend_from_slice(lead.as_bytes());
        if self.options.initial_tab {
            if lead.ends_with(' ') {
                out.pop();
            }
            out.push(b'\t');
        }
        let body = line.strip_suffix(b"\n").unwrap_or(line);
        if self.options.expand {
            out.extend(text::expanded(body, 8));
        } else {
            out.extend_from_slice(body);
        }
        if painted {
            out.extend_from_slice(RESET.as_bytes());
        }
        out.push(b'\n');
        if body.len() == line.len() {
            out.extend_from_slice(b"\\ No newline at end of file\n");
        }
    }

    fn title(&self, text: &str, color: &str, out: &mut Vec<u8>) {
        let text = if self.options.color {
            format!("{color}{text}{RESET}\n")
        } else {
            format!("{text}\n")
        };
        out.extend_from_slice(text.as_bytes());
    }

    fn normal(&self, change: &Change, out: &mut Vec<u8>) {
        let range = |start: usize, count: usize| match count {
            0 => start.to_string(),
            1 => (start + 1).to_string(),
            count => format!("{},{}", start + 1, start + count),
        };
        let letter = match (change.deleted, change.inserted) {
            (0, _) => 'a',
            (_, 0) => 'd',
            _ => 'c',
        };
        let (left, right) = (range(change.from, change.deleted), range(change.to, change.inserted));
        self.title(&format!("{left}{letter}{right}"), CYAN, out);
        for at in change.from..change.from + change.deleted {
            self.line("< ", self.from.text.line(at), RED, out);
        }
        if letter == 'c' {
            out.extend_from_slice(b"---\n");
        }
        for at in change.to..change.to + change.inserted {
            self.line("> ", self.to.text.line(at), GREEN, out);
        }
    }

    fn ed(&self, change: &Change, out: &mut Vec<u8>) {
        let first = change.from + 1;
        let last = change.from + change.deleted;
        let range = if change.deleted > 1 {
            format!("{first},{last}")
        } else {
            first.to_string()
        };
        let head = match (change.deleted, change.inserted) {
            (0, _) => format!("{}a\n", change.from),
            (_, 0) => format!("{range}d\n"),
            _ => format!("{range}c\n"),
        };
        out.extend_from_slice(head.as_bytes());
        if change.inserted == 0 {
            return;
        }
        let end = change.to + change.inserted;
        let mut open = true;
        for at in change.to..end {
            if !open {
                out.extend_from_slice(b"a\n");
                open = true;
            }
            let line = self.to.text.line(at);
            // A lone point would end the insertion: two are written and one is taken off again.
            if line == b".\n" {
                out.extend_from_slice(b"..\n.\ns/.//\n");
                open = false;
            } else {
                out.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
                out.push(b'\n');
            }
        }
        if open {
            out.extend_from_slice(b".\n");
        }
    }

    /// Changes that stand close enough to be shown together; those in which nothing counts are left out.
    fn hunks(&self, changes: &[Change]) -> Vec<Vec<Change>> {
        let reach = self.options.context.saturating_mul(2);
        let mut hunks: Vec<Vec<Change>> = Vec::new();
        for change in changes {
            let near = hunks.last().and_then(|hunk| hunk.last()).is_some_and(|last| {
                let gap = change.from - (last.from + last.deleted);
                // A change that does not count holds a hunk together only over less.
                if self.ignored(change) {
                    gap < self.options.context.max(1)
                } else {
                    gap <= reach
                }
            });
            match hunks.last_mut() {
                Some(hunk) if near => hunk.push(*change),
                _ => hunks.push(vec![*change]),
            }
        }
        hunks.retain(|hunk| hunk.iter().any(|change| !self.ignored(change)));
        hunks
    }

    fn headers(&self, out: &mut Vec<u8>) {
        let marks = if self.options.format == Format::Unified {
            ["---", "+++"]
        } else {
            ["***", "---"]
        };
        for (at, (mark, side)) in marks.iter().zip([self.from, self.to]).enumerate() {
            let text = match self.options.labels.get(at) {
                Some(label) => format!("{mark} {label}"),
                None => format!("{mark} {}\t{}", shown(side.name), self.date(side.modified)),
            };
            self.title(&text, BOLD, out);
        }
    }

    fn date(&self, at: Instant) -> String {
        let mut text = Vec::new();
        let pattern: &[u8] = if self.options.format == Format::Unified || std::env::var("LC_ALL").as_deref() != Ok("C")
        {
            b"%Y-%m-%d %H:%M:%S.%N %z"
        } else {
            b"%a %b %e %T %Y"
        };
        clock::format(pattern, &Zone::local().civil(at), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// First and last line with context on both sides: begin and end of a hunk.
    fn extent(&self, hunk: &[Change]) -> (usize, usize, usize, usize) {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else {
            return (0, 0, 0, 0);
        };
        let context = self.options.context;
        let lead = context.min(first.from).min(first.to);
        let (end_a, end_b) = (last.from + last.deleted, last.to + last.inserted);
        let tail = context
            .min(self.from.text.len() - end_a)
            .min(self.to.text.len() - end_b);
        (first.from - lead, end_a + tail, first.to - lead, end_b + tail)
    }

    /// The last line before a hunk that looks like the head of a function.
    fn function(&self, start: usize) -> String {
        let Some(regex) = &self.options.function else {
            return String::new();
        };
        let found = (0..start)
            .rev()
            .map(|at| self.from.text.line(at))
            .find(|line| regex.is_match(*line));
        let Some(line) = found else { return String::new() };
        let text = String::from_utf8_lossy(line)
            .trim_end()
            .chars()
            .take(40)
            .collect::<String>();
        format!(" {}", text.trim_end())
    }

    fn unified(&self, hunk: Vec<Change>, out: &mut Vec<u8>) {
        let (a0, a1, b0, b1) = self.extent(&hunk);
        let range = |start: usize, end: usize| match end - start {
            0 => format!("{start},0"),
            1 => (start + 1).to_string(),
            count => format!("{},{count}", start + 1),
        };
        let head = format!("@@ -{} +{} @@", range(a0, a1), range(b0, b1));
        let function = self.function(a0);
        if self.options.color {
            out.extend_from_slice(format!("{CYAN}{head}{RESET}{function}\n").as_bytes());
        } else {
            out.extend_from_slice(format!("{head}{function}\n").as_bytes());
        }
        let mut at = a0;
        for change in &hunk {
            for line in at..change.from {
                self.line(" ", self.from.text.line(line), "", out);
            }
            for line in change.from..change.from + change.deleted {
                self.line("-", self.from.text.line(line), RED, out);
            }
            for line in change.to..change.to + change.inserted {
                self.line("+", self.to.text.line(line), GREEN, out);
            }
            at = change.from + change.deleted;
        }
        for line in at..a1 {
            self.line(" ", self.from.text.line(line), "", out);
        }
    }

    fn context(&self, hunk: Vec<Change>, out: &mut Vec<u8>) {
        let (a0, a1, b0, b1) = self.extent(&hunk);
        let range = |start: usize, end: usize| match end - start {
            0 => start.to_string(),
            1 => (start + 1).to_string(),
            _ => format!("{},{end}", start + 1),
        };
        out.extend_from_slice(format!("***************{}\n", self.function(a0)).as_bytes());
        self.title(&format!("*** {} ****", range(a0, a1)), CYAN, out);
        let kind = |change: &Change, mark: &'static str| {
            if change.deleted > 0 && change.inserted > 0 {
                "! "
            } else {
                mark
            }
        };
        if hunk.iter().any(|change| change.deleted > 0) {
            let mut at = a0;
            for change in &hunk {
                for line in at..change.from {
                    self.line("  ", self.from.text.line(line), "", out);
                }
                for line in change.from..change.from + change.deleted {
                    self.line(kind(change, "- "), self.from.text.line(line), RED, out);
                }
                at = change.from + change.deleted;
            }
            for line in at..a1 {
                self.line("  ", self.from.text.line(line), "", out);
            }
        }
        self.title(&format!("--- {} ----", range(b0, b1)), CYAN, out);
        if hunk.iter().any(|change| change.inserted > 0) {
            let mut at = b0;
            for change in &hunk {
                for line in at..change.to {
                    self.line("  ", self.to.text.line(line), "", out);
                }
                for line in change.to..change.to + change.inserted {
                    self.line(kind(change, "+ "), self.to.text.line(line), GREEN, out);
                }
                at = change.to + change.inserted;
            }
            for line in at..b1 {
                self.line("  ", self.to.text.line(line), "", out);
            }
        }
    }
}
