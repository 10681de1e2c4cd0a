//! Line editing.
//!
//! The line is drawn whole after each key, wrapped at the window's width; the editor knows on which of its rows the
//! cursor is and redraws from the first. The terminal is in raw mode only while a line is read.

use super::complete::{Completions, common, complete};
use super::keys::{Key, Keys};
use crate::shell::Shell;
use crate::sys;
use crate::text;

/// How reading a line ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A line, with its newline.
    Text(String),
    /// Ctrl-C
    Cancelled,
    /// Ctrl-D on an empty line, or the terminal is gone.
    Eof,
}

/// What one key did.
enum Step {
    Go,
    Quiet,
    End(Line),
}

struct Editor<'a> {
    sh: &'a mut Shell,
    fd: u32,
    prompt: String,
    line: Vec<char>,
    pos: usize,
    /// Row of the cursor below the prompt's first row, as drawn last.
    row: usize,
    killed: Vec<char>,
    /// Place in the history; its length is the new line.
    place: usize,
    /// The new line, while an older one is shown.
    draft: Vec<char>,
    tabbed: bool,
    undo: Vec<(Vec<char>, usize)>,
}

/// Reads a line from a terminal.
pub fn read_line(sh: &mut Shell, fd: u32, prompt: &str) -> Line {
    let Ok(before) = sys::tty_get(fd) else {
        return read_plainly(prompt, fd);
    };
    if sh.vars.text("TERM") == Some("dumb") {
        return read_plainly(prompt, fd);
    }
    let _ = sys::tty_set(fd, &sys::raw_mode(&before));
    let place = sh.history.lines().len();
    let mut editor = Editor {
        sh,
        fd,
        prompt: prompt.to_owned(),
        line: Vec::new(),
        pos: 0,
        row: 0,
        killed: Vec::new(),
        place,
        draft: Vec::new(),
        tabbed: false,
        undo: Vec::new(),
    };
    let line = editor.run();
    let _ = sys::tty_set(fd, &before);
    line
}

fn read_plainly(prompt: &str, fd: u32) -> Line {
    let _ = sys::write_all(2, &text::encode(prompt));
    match crate::builtins::read::line_of(fd) {
        Some(line) => Line::Text(line),
        None => Line::Eof,
    }
}

impl Editor<'_> {
    fn run(&mut self) -> Line {
        let mut keys = Keys::new(self.fd);
        self.draw();
        loop {
            let key = keys.next();
            let tab = key == Key::Ctrl('I');
            match self.key(key, &mut keys) {
                Step::End(line) => return line,
                Step::Go if !keys.has_more() => self.draw(),
                Step::Go | Step::Quiet => {}
            }
            self.tabbed = tab;
        }
    }

    fn key(&mut self, key: Key, keys: &mut Keys) -> Step {
        match key {
            Key::Ctrl('M' | 'J') => return self.accept(),
            Key::Ctrl('C') => return self.cancel(),
            Key::Eof => return Step::End(Line::Eof),
            Key::Ctrl('D') if self.line.is_empty() => {
                self.put("\r\n");
                return Step::End(Line::Eof);
            }
            Key::Ctrl('R') => return self.search(keys),
            Key::Ctrl('I') => return self.complete(),
            Key::Ctrl('L') => {
                self.put("\x1b[H\x1b[2J");
                self.row = 0;
            }
            Key::Signal => {
                // A changed window needs no more than being drawn for, unless there is a trap.
                while let Some(signal) = self.sh.traps.take() {
                    let _ = self.sh.run_signal_trap(signal);
                }
            }
            Key::Ctrl('_') => {
                if let Some((line, pos)) = self.undo.pop() {
                    self.line = line;
                    self.pos = pos;
                }
            }
            Key::Unknown => return Step::Quiet,
            key => self.edit(key),
        }
        Step::Go
    }

    fn remember(&mut self) {
        if self.undo.last().is_none_or(|(line, _)| *line != self.line) {
            self.undo.push((self.line.clone(), self.pos));
            if self.undo.len() > 200 {
                self.undo.remove(0);
            }
        }
    }

    fn edit(&mut self, key: Key) {
        if !matches!(
            key,
            Key::Left | Key::Right | Key::Home | Key::End | Key::WordLeft | Key::WordRight
        ) {
            self.remember();
        }
        match key {
            Key::Char(c) => self.insert(&[c]),
            Key::Ctrl('A') | Key::Home => self.pos = 0,
            Key::Ctrl('E') | Key::End => self.pos = self.line.len(),
            Key::Ctrl('B') | Key::Left => self.pos = self.pos.saturating_sub(1),
            Key::Ctrl('F') | Key::Right => self.pos = (self.pos + 1).min(self.line.len()),
            Key::Meta('b') | Key::WordLeft => self.pos = self.word_left(),
            Key::Meta('f') | Key::WordRight => self.pos = self.word_right(),
            Key::Ctrl('H' | '?') if self.pos > 0 => {
                self.pos -= 1;
                self.line.remove(self.pos);
            }
            Key::Ctrl('D') | Key::Delete if self.pos < self.line.len() => {
                self.line.remove(self.pos);
            }
            Key::Ctrl('K') => self.kill(self.pos, self.line.len()),
            Key::Ctrl('U') => self.kill(0, self.pos),
            Key::Ctrl('W') => {
                let blank = |c: &char| c.is_whitespace();
                let end = self.line[..self.pos]
                    .iter()
                    .rposition(|c| !blank(c))
                    .map_or(0, |i| i + 1);
                let start = self.line[..end].iter().rposition(blank).map_or(0, |i| i + 1);
                self.kill(start, self.pos);
            }
            Key::Meta('d') => self.kill(self.pos, self.word_right()),
            Key::Meta('\u{7f}' | '\u{8}') => self.kill(self.word_left(), self.pos),
            Key::Ctrl('Y') => {
                let killed = self.killed.clone();
                self.insert(&killed);
            }
            Key::Ctrl('T') => self.transpose(),
            Key::Ctrl('P') | Key::Up => self.older(),
            Key::Ctrl('N') | Key::Down => self.newer(),
            Key::Meta('<') => self.show(0),
            Key::Meta('>') => self.show(self.sh.history.lines().len()),
            Key::Meta('.' | '_') => {
                let last = self
                    .sh
                    .history
                    .lines()
                    .last()
                    .and_then(|l| l.split_whitespace().last().map(str::to_owned));
                let chars: Vec<char> = last.unwrap_or_default().chars().collect();
                self.insert(&chars);
            }
            _ => {}
        }
    }

    fn insert(&mut self, chars: &[char]) {
        self.line.splice(self.pos..self.pos, chars.iter().copied());
        self.pos += chars.len();
    }

    fn kill(&mut self, from: usize, to: usize) {
        if from < to {
            self.killed = self.line.drain(from..to).collect();
            self.pos = from;
        }
    }

    fn transpose(&mut self) {
        if self.line.len() < 2 || self.pos == 0 {
            return;
        }
        let at = self.pos.min(self.line.len() - 1);
        self.line.swap(at - 1, at);
        self.pos = at + 1;
    }

    fn word_left(&self) -> usize {
        let word = |c: &char| c.is_alphanumeric();
        let end = self.line[..self.pos].iter().rposition(word).map_or(0, |i| i + 1);
        self.line[..end].iter().rposition(|c| !word(c)).map_or(0, |i| i + 1)
    }

    fn word_right(&self) -> usize {
        let word = |c: &char| c.is_alphanumeric();
        let start = self.line[self.pos..]
            .iter()
            .position(word)
            .map_or(self.line.len(), |i| self.pos + i);
        self.line[start..]
            .iter()
            .position(|c| !word(c))
            .map_or(self.line.len(), |i| start + i)
    }

    fn older(&mut self) {
        if self.place > 0 {
            self.show(self.place - 1);
        }
    }

    fn newer(&mut self) {
        if self.place < self.sh.history.lines().len() {
            self.show(self.place + 1);
        }
    }

    fn show(&mut self, place: usize) {
        let lines = self.sh.history.lines();
        if self.place == lines.len() {
            self.draft = self.line.clone();
        }
        self.place = place;
        self.line = match lines.get(place) {
            Some(line) => line.chars().collect(),
            None => self.draft.clone(),
        };
        self.pos = self.line.len();
    }

    fn accept(&mut self) -> Step {
        self.pos = self.line.len();
        self.draw();
        self.put("\r\n");
        let text: String = self.line.iter().collect();
        Step::End(Line::Text(text + "\n"))
    }

    fn cancel(&mut self) -> Step {
        self.pos = self.line.len();
        self.draw();
        self.put("^C\r\n");
        Step::End(Line::Cancelled)
    }

    fn complete(&mut self) -> Step {
        let Completions { start, words } = complete(self.sh, &self.line, self.pos);
        if words.is_empty() {
            self.put("\u{7}");
            return Step::Quiet;
        }
        let mut text = common(&words);
        if words.len() == 1 && !text.ends_with('/') {
            text.push(' ');
        }
        let chars: Vec<char> = text.chars().collect();
        if chars.len() > self.pos - start || words.len() == 1 {
            self.remember();
            self.line.splice(start..self.pos, chars.iter().copied());
            self.pos = start + chars.len();
        } else if self.tabbed {
            self.list(&words);
        } else {
            self.put("\u{7}");
        }
        Step::Go
    }

    /// Shows candidates in columns below the line.
    fn list(&mut self, words: &[String]) {
        let shown: Vec<&str> = words.iter().map(|w| last_component(w)).collect();
        let width = shown.iter().map(|w| w.chars().count()).max().unwrap_or(1) + 2;
        let columns = (self.columns() / width).max(1);
        let rows = shown.len().div_ceil(columns);
        let mut out = String::from("\r\n");
        for row in 0..rows.min(200) {
            for word in shown.iter().skip(row).step_by(rows) {
                out.push_str(&format!("{word:<width$}"));
            }
            out.truncate(out.trim_end().len());
            out.push_str("\r\n");
        }
        self.put(&out);
        self.row = 0;
    }

    /// Ctrl-R: the newest line that holds what is typed.
    fn search(&mut self, keys: &mut Keys) -> Step {
        let mut wanted = String::new();
        let mut place = self.sh.history.lines().len();
        let (prompt, line, pos) = (self.prompt.clone(), self.line.clone(), self.pos);
        loop {
            let found = self.found(&wanted, place);
            let failing = found.is_none() && !wanted.is_empty();
            if let Some(i) = found {
                place = i;
                self.line = self.sh.history.lines()[i].chars().collect();
                self.pos = self.line.len();
            }
            let head = if failing {
                "(failed reverse-i-search)"
            } else {
                "(reverse-i-search)"
            };
            self.prompt = format!("{head}`{wanted}': ");
            self.draw();
            match keys.next() {
                Key::Char(c) => wanted.push(c),
                Key::Ctrl('H' | '?') => {
                    wanted.pop();
                    place = self.sh.history.lines().len();
                }
                Key::Ctrl('R') => match self.found(&wanted, place.saturating_sub(1)) {
                    Some(i) if place > 0 => place = i,
                    _ => self.put("\u{7}"),
                },
                Key::Ctrl('G' | 'C') => {
                    self.prompt = prompt;
                    self.line = line;
                    self.pos = pos;
                    return Step::Go;
                }
                key => {
                    self.prompt = prompt;
                    self.place = place;
                    return match key {
                        Key::Signal | Key::Unknown | Key::Meta(_) => Step::Go,
                        key => self.key(key, keys),
                    };
                }
            }
        }
    }

    fn found(&self, wanted: &str, from: usize) -> Option<usize> {
        let lines = self.sh.history.lines();
        let end = (from + 1).min(lines.len());
        if wanted.is_empty() {
            None
        } else {
            lines[..end].iter().rposition(|l| l.contains(wanted))
        }
    }

    fn columns(&self) -> usize {
        sys::tty_size(self.fd)
            .map_or(80, |(columns, _)| usize::from(columns))
            .max(2)
    }

    fn put(&self, text: &str) {
        // A terminal that is gone shows at the next read.
        let _ = sys::write_all(2, &text::encode(text));
    }

    /// Draws prompt and line, and puts the cursor where it belongs.
    fn draw(&mut self) {
        let columns = self.columns();
        let mut out = String::new();
        if self.row > 0 {
            out.push_str(&format!("\x1b[{}A", self.row));
        }
        out.push_str("\r\x1b[J");
        let head = self.prompt.replace('\n', "\r\n");
        out.extend(head.chars().filter(|c| !matches!(c, '\u{1}' | '\u{2}')));
        let mut at = Place::default();
        at.prompt(&self.prompt, columns);
        let mut cursor = at;
        for (i, c) in self.line.iter().enumerate() {
            if i == self.pos {
                cursor = at;
            }
            at.push(*c, columns, &mut out);
        }
        if self.pos == self.line.len() {
            cursor = at;
        }
        if at.column == 0 && at.row > 0 && !self.line.is_empty() {
            // Past the last column the terminal has not wrapped yet.
            out.push_str("\r\n");
        }
        if at.row > cursor.row {
            out.push_str(&format!("\x1b[{}A", at.row - cursor.row));
        }
        out.push('\r');
        if cursor.column > 0 {
            out.push_str(&format!("\x1b[{}C", cursor.column));
        }
        self.row = cursor.row;
        self.put(&out);
    }
}

fn last_component(word: &str) -> &str {
    let end = word.len() - usize::from(word.ends_with('/'));
    match word[..end].rfind('/') {
        Some(at) => &word[at + 1..],
        None => word,
    }
}

/// A place on the screen below the prompt's first row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    row: usize,
    column: usize,
}

impl Place {
    fn advance(&mut self, width: usize, columns: usize) {
        if self.column + width > columns {
            self.row += 1;
            self.column = 0;
        }
        self.column += width;
        if self.column == columns {
            self.row += 1;
            self.column = 0;
        }
    }

    /// Moves over a prompt: escape sequences and what is between the bytes 1 and 2 take no room.
    fn prompt(&mut self, prompt: &str, columns: usize) {
        let mut chars = prompt.chars();
        let mut hidden = false;
        while let Some(c) = chars.next() {
            match c {
                '\u{1}' => hidden = true,
                '\u{2}' => hidden = false,
                _ if hidden => {}
                '\n' => {
                    self.row += 1;
                    self.column = 0;
                }
                '\r' => self.column = 0,
                '\u{1b}' => {
                    if chars.next() == Some('[') {
                        chars.by_ref().find(|c| c.is_ascii_alphabetic());
                    }
                }
                c if c.is_control() => {}
                c => self.advance(width(c), columns),
            }
        }
    }

    /// Draws a character of the line.
    fn push(&mut self, c: char, columns: usize, out: &mut String) {
        match c {
            '\n' => {
                out.push_str("\r\n");
                self.row += 1;
                self.column = 0;
            }
            c if c.is_control() => {
                out.push('^');
                out.push(char::from_u32(c as u32 ^ 0x40).unwrap_or('?'));
                self.advance(1, columns);
                self.advance(1, columns);
            }
            c => {
                out.push(c);
                self.advance(width(c), columns);
            }
        }
    }
}

/// Columns of a character.
fn width(c: char) -> usize {
    match c as u32 {
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0x1f300..=0x1faff => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_on_the_screen() {
        let mut place = Place::default();
        place.prompt("\u{1}\x1b[1m\u{2}ab\x1b[0m$ ", 80);
        assert_eq!(place, Place { row: 0, column: 4 });
        place.advance(1, 5);
        assert_eq!(place, Place { row: 1, column: 0 });
        assert_eq!((width('a'), width('漢')), (1, 2));
        assert_eq!(last_component("src/main/"), "main/");
    }
}
