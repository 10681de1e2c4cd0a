//! The terminal: rows that stay, and below them rows that are drawn again when they change.
//!
//! Rows are no wider than the terminal, so that their number is known and the cursor can go back up over those that may change.
//! Of rows that would not fit on the screen the upper ones are taken for done, as nothing can go back to them. The terminal is
//! in raw mode for as long as the value lives.

use super::super::show::span::{Row, Span, Style, safe, width};
use super::super::show::view::Shown;
use crate::error::Error;
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::{execute, terminal};
use std::fmt::Write as _;
use std::io::Write as _;

/// A terminal in raw mode.
pub(crate) struct Screen {
    columns: usize,
    height: usize,
    /// What is on the screen below what is done with.
    open: Vec<String>,
    /// Rows of what is open that were given up as they did not fit.
    lost: usize,
    /// Row that the cursor is in, counted from the first open one.
    cursor: usize,
    colored: bool,
}

impl Screen {
    pub(crate) fn enter() -> Result<Self, Error> {
        terminal::enable_raw_mode().map_err(Error::host("terminal"))?;
        let mut screen = Self {
            columns: 80,
            height: 24,
            open: Vec::new(),
            lost: 0,
            cursor: 0,
            colored: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        execute!(std::io::stdout(), EnableBracketedPaste).map_err(Error::host("terminal"))?;
        screen.measure();
        Ok(screen)
    }

    /// Asks for the size; what is not said, or beyond reason, is 80 by 24.
    pub(crate) fn measure(&mut self) {
        let (columns, height) = match terminal::size() {
            Ok((columns, height)) if (1..=4096).contains(&columns) && (1..=4096).contains(&height) => (columns, height),
            _ => (80, 24),
        };
        // The last column stays free: what a terminal does after it differs.
        (self.columns, self.height) = (
            usize::from(columns).saturating_sub(1).max(4),
            usize::from(height).max(2),
        );
    }

    /// Columns of a row.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Prints rows that stay and draws those that may change, then the line that is typed.
    pub(crate) fn show(
        &mut self,
        shown: &Shown,
        status: &[Row],
        line: Option<(&str, &str, usize)>,
    ) -> Result<(), Error> {
        let paint = |row: &Row| row.paint(self.colored);
        let done: Vec<String> = shown.done.iter().map(paint).collect();
        let skip = self.lost.min(done.len());
        let lost = self.lost - skip;
        let mut open: Vec<String> = shown.open.iter().skip(lost).map(paint).collect();
        let kept = open.len();
        open.extend(status.iter().map(paint));
        let (rows, at) = line.map_or((Vec::new(), None), |(prompt, text, cursor)| {
            let (rows, at) = self.typed(prompt, text, cursor);
            (rows, Some(at))
        });
        let at = at.map(|(row, column)| (open.len() + row, column));
        open.extend(rows);
        // Nothing can be drawn again that has left the screen.
        let over = open.len().saturating_sub(self.height - 1).min(kept);
        self.draw(done.get(skip..).unwrap_or_default(), &open, over, at)?;
        self.lost = lost + over;
        Ok(())
    }

    /// Every row ends with a line break, so that the cursor rests below them, unless it is where one types (`at`, a row and a
    /// column of what is open). What stands there already is passed over.
    fn draw(&mut self, done: &[String], open: &[String], over: usize, at: Option<(usize, usize)>) -> Result<(), Error> {
        let wanted: Vec<&String> = done.iter().chain(open).collect();
        let same = self
            .open
            .iter()
            .zip(&wanted)
            .take_while(|(is, wanted)| is == *wanted)
            .count();
        let mut out = String::from("\x1b[?25l\r");
        out.push_str(&rows_away(self.cursor, same));
        out.push_str("\x1b[J");
        for row in wanted.iter().skip(same) {
            out.push_str(row);
            out.push_str("\r\n");
        }
        let row = at.map_or(wanted.len(), |(row, _)| done.len() + row);
        out.push_str(&rows_away(wanted.len(), row));
        if let Some((_, column @ 1..)) = at {
            let _ = write!(out, "\x1b[{column}C");
        }
        out.push_str("\x1b[?25h");
        self.open = open.get(over..).unwrap_or_default().to_vec();
        self.cursor = row.saturating_sub(done.len() + over);
        let mut stdout = std::io::stdout().lock();
        stdout
            .write_all(out.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(Error::host("terminal"))
    }

    /// Rows of the line that is typed, and where the cursor stands in them.
    fn typed(&self, prompt: &str, text: &str, cursor: usize) -> (Vec<String>, (usize, usize)) {
        let prompt = Row::of(Style::BOLD, prompt);
        let indent = width(&prompt.text());
        let mut rows = vec![prompt.paint(self.colored)];
        let (mut used, mut place) = (indent, (0, indent));
        for (at, character) in text.char_indices() {
            let shown = if character == '\n' {
                String::new()
            } else {
                safe(&character.to_string())
            };
            if character == '\n' || used + width(&shown) > self.columns {
                if at == cursor && character == '\n' {
                    place = (rows.len() - 1, used);
                }
                rows.push(" ".repeat(indent));
                used = indent;
            }
            if at == cursor && character != '\n' {
                place = (rows.len() - 1, used);
            }
            used += width(&shown);
            if let Some(row) = rows.last_mut() {
                row.push_str(&shown);
            }
        }
        if cursor >= text.len() {
            place = (rows.len() - 1, used);
        }
        // Of a long text the end is shown, or what is around the cursor.
        let room = self.height.saturating_sub(2).max(1);
        let first = (place.0 + 1).saturating_sub(room).max(if place.0 + 1 >= rows.len() {
            rows.len().saturating_sub(room)
        } else {
            0
        });
        let rows: Vec<String> = rows.into_iter().skip(first).take(room).collect();
        (rows, (place.0 - first, place.1))
    }

    /// Forgets what was drawn: the screen is empty.
    pub(crate) fn clear(&mut self) -> Result<(), Error> {
        (self.open, self.cursor) = (Vec::new(), 0);
        let mut stdout = std::io::stdout().lock();
        stdout
            .write_all(b"\x1b[2J\x1b[H")
            .and_then(|()| stdout.flush())
            .map_err(Error::host("terminal"))
    }

    /// What is drawn may stand elsewhere now: it is left as it is, and drawn again below.
    pub(crate) fn resized(&mut self) -> Result<(), Error> {
        self.measure();
        (self.open, self.cursor) = (Vec::new(), 0);
        let mut stdout = std::io::stdout().lock();
        stdout
            .write_all(b"\r\x1b[J")
            .and_then(|()| stdout.flush())
            .map_err(Error::host("terminal"))
    }

    /// Says something that stays.
    pub(crate) fn say(&mut self, style: Style, text: &str) -> Result<(), Error> {
        let rows = text
            .lines()
            .flat_map(|line| Row(vec![Span::new(style, line)]).wrap(self.columns, &Row::default()));
        let shown = Shown {
            done: rows.collect(),
            open: Vec::new(),
        };
        self.show(&shown, &[], None)
    }

    /// Nothing of what is to come was shown yet.
    pub(crate) fn begin(&mut self) {
        self.lost = 0;
    }
}

/// Moves the cursor from one row to another.
fn rows_away(from: usize, to: usize) -> String {
    match to.cmp(&from) {
        std::cmp::Ordering::Equal => String::new(),
        std::cmp::Ordering::Less => format!("\x1b[{}A", from - to),
        std::cmp::Ordering::Greater => format!("\x1b[{}B", to - from),
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = execute!(std::io::stdout(), DisableBracketedPaste);
        let _ = terminal::disable_raw_mode();
    }
}
