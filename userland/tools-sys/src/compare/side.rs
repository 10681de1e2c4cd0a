//! `diff -y`: both files in two columns.

use super::options::Options;
use super::script::Change;
use super::text::Text;
use crate::ls::columns;

/// Writes both texts side by side.
pub(super) fn write(from: &Text, to: &Text, changes: &[Change], options: &Options, out: &mut Vec<u8>) {
    let page = Page::new(options);
    let (mut a, mut b) = (0, 0);
    let end = Change {
        from: from.len(),
        deleted: 0,
        to: to.len(),
        inserted: 0,
    };
    for change in changes.iter().chain([&end]) {
        while a < change.from && b < change.to {
            if !options.suppress_common {
                let right = (!options.left_column).then(|| to.line(b));
                page.row(
                    Some(from.line(a)),
                    if options.left_column { '(' } else { ' ' },
                    right,
                    out,
                );
            }
            a += 1;
            b += 1;
        }
        let both = change.deleted.min(change.inserted);
        for at in 0..both {
            page.row(
                Some(from.line(change.from + at)),
                '|',
                Some(to.line(change.to + at)),
                out,
            );
        }
        for at in both..change.deleted {
            page.row(Some(from.line(change.from + at)), '<', None, out);
        }
        for at in both..change.inserted {
            page.row(None, '>', Some(to.line(change.to + at)), out);
        }
        (a, b) = (change.from + change.deleted, change.to + change.inserted);
    }
}

struct Page {
    half: usize,
    right: usize,
    expand: bool,
}

const TAB: usize = 8;

impl Page {
    /// The widest halves that fit, the right one beginning at a tab stop.
    fn new(options: &Options) -> Self {
        let width = options.width as isize;
        let tab = if options.expand { 1 } else { TAB as isize };
        let offset = (width + tab + 3) / (2 * tab) * tab;
        let half = (offset - 3).min(width - offset).max(0) as usize;
        let right = if half > 0 { offset as usize } else { options.width };
        Self {
            half,
            right,
            expand: options.expand,
        }
    }

    fn row(&self, left: Option<&[u8]>, mark: char, right: Option<&[u8]>, out: &mut Vec<u8>) {
        let mut column = left.map_or(0, |line| self.half_line(line, out));
        if mark != ' ' {
            let place = (self.half + self.right - 1) / 2;
            self.go(column, place, out);
            out.push(mark as u8);
            column = place + 1;
            if mark == '|' && left.is_some_and(|l| !l.ends_with(b"\n")) != right.is_some_and(|r| !r.ends_with(b"\n")) {
                // A line without its newline differs in that alone.
                out.pop();
                out.push(if left.is_some_and(|l| l.ends_with(b"\n")) {
                    b'\\'
                } else {
                    b'/'
                });
            }
        }
        if let Some(right) = right.filter(|line| *line != b"\n" && !line.is_empty()) {
            self.go(column, self.right, out);
            self.half_line(right, out);
        }
        out.push(b'\n');
    }

    /// As much of a line as fits a half; returns the columns that it takes.
    fn half_line(&self, line: &[u8], out: &mut Vec<u8>) -> usize {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let mut column = 0;
        for c in String::from_utf8_lossy(line).chars() {
            let mut bytes = [0; 4];
            let text = c.encode_utf8(&mut bytes).as_bytes();
            let width = if c == '\t' { TAB - column % TAB } else { columns(text) };
            if column + width > self.half {
                break;
            }
            if c == '\t' && self.expand {
                out.resize(out.len() + width, b' ');
            } else {
                out.extend_from_slice(text);
            }
            column += width;
        }
        column
    }

    fn go(&self, mut from: usize, to: usize, out: &mut Vec<u8>) {
        if !self.expand {
            while from / TAB < to / TAB {
                out.push(b'\t');
                from = (from / TAB + 1) * TAB;
            }
        }
        while from < to {
            out.push(b' ');
            from += 1;
        }
    }
}
