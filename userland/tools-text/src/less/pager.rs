//! Position, keys, search, drawing.

use super::document::Document;
use crate::regex::{Options as RegexOptions, Regex, Syntax};
use crate::screen::{Key, Keys};
use std::io::{self, Write};

/// What the options say.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub numbers: bool,
    pub chop: bool,
    pub raw: bool,
    pub quit_if_one: bool,
    pub quit_at_end: bool,
    pub no_init: bool,
    pub fold_case: bool,
    pub squeeze: bool,
    /// As `more` does: another prompt, and no screen of its own.
    pub more: bool,
}

/// A place in a document: line, and row within the line when it wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    line: usize,
    row: usize,
}

/// Pages through documents.
pub struct Pager<W: Write, K: Keys> {
    documents: Vec<Document>,
    current: usize,
    settings: Settings,
    rows: usize,
    columns: usize,
    top: Place,
    shift: usize,
    search: Option<(Regex, bool)>,
    message: Option<String>,
    count: String,
    out: W,
    keys: K,
}

impl<W: Write, K: Keys> Pager<W, K> {
    /// A pager on a terminal of the given size.
    pub fn new(documents: Vec<Document>, settings: Settings, rows: usize, columns: usize, out: W, keys: K) -> Self {
        Self {
            documents,
            current: 0,
            settings,
            rows: rows.max(2),
            columns: columns.max(8),
            top: Place::default(),
            shift: 0,
            search: None,
            message: None,
            count: String::new(),
            out,
            keys,
        }
    }

    /// Runs until the user leaves.
    ///
    /// # Errors
    ///
    /// What writing says.
    pub fn run(&mut self, commands: &[String]) -> io::Result<()> {
        for command in commands {
            self.command(command);
        }
        if self.settings.quit_if_one && self.documents.len() == 1 && self.fits() {
            return self.print_all();
        }
        if !self.settings.no_init {
            self.out.write_all(b"\x1b[?1049h\x1b[H")?;
        }
        loop {
            self.draw()?;
            if self.settings.more && self.at_end() && self.current + 1 == self.documents.len() {
                break;
            }
            let Some(key) = self.keys.key() else { break };
            if !self.handle(key) {
                break;
            }
        }
        let end: &[u8] = if self.settings.no_init {
            b"\r\x1b[K"
        } else {
            b"\r\x1b[K\x1b[?1049l"
        };
        self.out.write_all(end)?;
        self.out.flush()
    }

    fn document(&mut self) -> &mut Document {
        &mut self.documents[self.current]
    }

    fn fits(&mut self) -> bool {
        let mut rows = 0;
        let mut line = 0;
        while self.document().line(line).is_some() {
            rows += self.height(line);
            if rows >= self.rows {
                return false;
            }
            line += 1;
        }
        true
    }

    fn print_all(&mut self) -> io::Result<()> {
        let mut line = 0;
        while let Some(text) = self.documents[self.current].line(line) {
            let text = text.to_vec();
            self.out.write_all(&text)?;
            self.out.write_all(b"\n")?;
            line += 1;
        }
        self.out.flush()
    }

    // Rows.

    /// The rows that a line takes on the screen.
    fn wrapped(&mut self, line: usize) -> Option<Vec<Vec<u8>>> {
        let (raw, chop, shift) = (self.settings.raw, self.settings.chop, self.shift);
        let margin = if self.settings.numbers { 8 } else { 0 };
        let width = self.columns.saturating_sub(margin).max(1);
        let text = self.documents[self.current].line(line)?;
        let cells = cells(text, raw);
        let mut rows: Vec<Vec<u8>> = if chop {
            let visible: Vec<&(Vec<u8>, usize)> = skip_width(&cells, shift);
            vec![take_width(&visible, width)]
        } else {
            let mut out = vec![Vec::new()];
            let mut used = 0;
            for (bytes, cell) in &cells {
                if used + cell > width {
                    out.push(Vec::new());
                    used = 0;
                }
                used += cell;
                if let Some(row) = out.last_mut() {
                    row.extend_from_slice(bytes);
                }
            }
            out
        };
        if self.settings.numbers {
            for (index, row) in rows.iter_mut().enumerate() {
                let lead = if index == 0 {
                    format!("{:>7} ", line + 1)
                } else {
                    " ".repeat(8)
                };
                row.splice(0..0, lead.into_bytes());
            }
        }
        Some(rows)
    }

    fn height(&mut self, line: usize) -> usize {
        self.wrapped(line).map_or(0, |rows| rows.len())
    }

    /// One row further; false at the end.
    fn step_down(&mut self, place: &mut Place) -> bool {
        if place.row + 1 < self.height(place.line) {
            place.row += 1;
            return true;
        }
        if self.document().line(place.line + 1).is_none() {
            return false;
        }
        *place = Place {
            line: place.line + 1,
            row: 0,
        };
        true
    }

    fn step_up(&mut self, place: &mut Place) -> bool {
        if place.row > 0 {
            place.row -= 1;
            return true;
        }
        if place.line == 0 {
            return false;
        }
        place.line -= 1;
        place.row = self.height(place.line).saturating_sub(1);
        true
    }

    /// The last place at which the screen is full.
    fn last_top(&mut self) -> Place {
        let count = self.document().count();
        let mut place = Place {
            line: count.saturating_sub(1),
            row: 0,
        };
        place.row = self.height(place.line).saturating_sub(1);
        for _ in 0..self.rows.saturating_sub(2) {
            if !self.step_up(&mut place) {
                break;
            }
        }
        place
    }

    fn at_end(&mut self) -> bool {
        let mut place = self.top;
        for _ in 0..self.rows - 1 {
            if !self.step_down(&mut place) {
                return true;
            }
        }
        false
    }

    fn scroll(&mut self, rows: isize) {
        for _ in 0..rows.unsigned_abs() {
            let mut place = self.top;
            if rows < 0 {
                if !self.step_up(&mut place) {
                    return;
                }
            } else if self.at_end() || !self.step_down(&mut place) {
                return;
            }
            self.top = place;
        }
    }

    fn goto(&mut self, line: usize) {
        let last = self.last_top();
        self.top = if line >= last.line {
            last
        } else {
            Place { line, row: 0 }
        };
    }

    // Keys.

    /// Carries a key out; false to leave.
    fn handle(&mut self, key: Key) -> bool {
        if let Key::Char(digit @ '0'..='9') = key {
            if self.count.len() < 9 {
                self.count.push(digit);
            }
            return true;
        }
        let count: Option<usize> = std::mem::take(&mut self.count).parse().ok();
        let times = count.unwrap_or(1) as isize;
        let page = self.rows as isize - 1;
        let half = (page / 2).max(1);
        match key {
            Key::Char('q' | 'Q') | Key::Control('c') => return false,
            Key::Char(' ' | 'f' | 'z') | Key::PageDown | Key::Control('f' | 'v') => {
                if self.settings.quit_at_end && self.at_end() && self.current + 1 == self.documents.len() {
                    return false;
                }
                if self.at_end() && self.settings.more {
                    self.change_file(1);
                } else {
                    self.scroll(count.map_or(page, |n| n as isize));
                }
            }
            Key::Char('b' | 'w') | Key::PageUp | Key::Control('b') => self.scroll(-count.map_or(page, |n| n as isize)),
            Key::Char('d') | Key::Control('d') => self.scroll(count.map_or(half, |n| n as isize)),
            Key::Char('u') | Key::Control('u') => self.scroll(-count.map_or(half, |n| n as isize)),
            Key::Char('j' | 'e') | Key::Enter | Key::Down | Key::Control('n' | 'e') => {
                if self.settings.quit_at_end && self.at_end() && self.current + 1 == self.documents.len() {
                    return false;
                }
                self.scroll(times);
            }
            Key::Char('k' | 'y') | Key::Up | Key::Control('p' | 'y' | 'k') => self.scroll(-times),
            Key::Char('g' | '<') | Key::Home => self.goto(count.unwrap_or(1).saturating_sub(1)),
            Key::Char('G' | '>') | Key::End => match count {
                Some(line) => self.goto(line.saturating_sub(1)),
                None => self.top = self.last_top(),
            },
            Key::Char('%' | 'p') => {
                let total = self.document().count();
                self.goto(total * count.unwrap_or(0).min(100) / 100);
            }
            Key::Right => self.shift = (self.shift + self.columns / 2).min(1 << 20),
            Key::Left => self.shift = self.shift.saturating_sub(self.columns / 2),
            Key::Char('/') => self.ask_search(true),
            Key::Char('?') => self.ask_search(false),
            Key::Char('n') => self.repeat(false),
            Key::Char('N') => self.repeat(true),
            Key::Char('-') => self.toggle(),
            Key::Char(':') => return self.colon(),
            Key::Char('=') | Key::Control('g') => self.tell(),
            Key::Char('h' | 'H') => {
                self.message = Some("q quit  space b page  j k line  g G ends  /? search  n N again".into())
            }
            _ => {}
        }
        true
    }

    fn toggle(&mut self) {
        match self.keys.key() {
            Some(Key::Char('N')) => self.settings.numbers ^= true,
            Some(Key::Char('S')) => self.settings.chop ^= true,
            Some(Key::Char('i' | 'I')) => self.settings.fold_case ^= true,
            Some(Key::Char('R')) => self.settings.raw ^= true,
            _ => {}
        }
        self.top.row = 0;
    }

    fn colon(&mut self) -> bool {
        match self.keys.key() {
            Some(Key::Char('n')) => self.change_file(1),
            Some(Key::Char('p')) => self.change_file(-1),
            Some(Key::Char('q')) => return false,
            Some(Key::Char('f')) => self.tell(),
            _ => {}
        }
        true
    }

    fn change_file(&mut self, step: isize) {
        match self
            .current
            .checked_add_signed(step)
            .filter(|&next| next < self.documents.len())
        {
            Some(next) => {
                self.current = next;
                self.top = Place::default();
            }
            None => self.message = Some(if step > 0 { "No next file" } else { "No previous file" }.into()),
        }
    }

    fn tell(&mut self) {
        let total = self.document().count();
        let first = (self.top.line + 1).min(total);
        let name = self.document().name.clone();
        self.message = Some(format!("{name} lines {first}/{total}"));
    }

    /// A command given as `+command`.
    fn command(&mut self, command: &str) {
        if let Some(pattern) = command.strip_prefix('/') {
            self.start_search(pattern, true);
            return;
        }
        for c in command.chars() {
            self.handle(Key::Char(c));
        }
        if let Ok(line) = std::mem::take(&mut self.count).parse::<usize>() {
            self.goto(line.saturating_sub(1));
        }
    }

    // Search.

    fn ask_search(&mut self, forward: bool) {
        let mut pattern = String::new();
        loop {
            let prompt = format!("\r\x1b[K{}{pattern}", if forward { '/' } else { '?' });
            if self
                .out
                .write_all(prompt.as_bytes())
                .and_then(|()| self.out.flush())
                .is_err()
            {
                return;
            }
            match self.keys.key() {
                Some(Key::Char(c)) => pattern.push(c),
                Some(Key::Backspace) => {
                    if pattern.pop().is_none() {
                        return;
                    }
                }
                Some(Key::Enter) => break,
                _ => return,
            }
        }
        if pattern.is_empty() {
            self.repeat(false);
        } else {
            self.start_search(&pattern, forward);
        }
    }

    fn start_search(&mut self, pattern: &str, forward: bool) {
        let lower = !pattern.chars().any(char::is_uppercase);
        let options = RegexOptions {
            ignore_case: self.settings.fold_case && lower,
            ..RegexOptions::new(Syntax::Extended)
        };
        match Regex::new(pattern.as_bytes(), &options) {
            Ok(regex) => {
                self.search = Some((regex, forward));
                self.repeat(false);
            }
            Err(error) => self.message = Some(error.to_string()),
        }
    }

    fn repeat(&mut self, opposite: bool) {
        let Some((regex, forward)) = self.search.take() else {
            self.message = Some("No previous regular expression".into());
            return;
        };
        let down = forward != opposite;
        let start = self.top.line;
        let mut line = start;
        let found = loop {
            line = match (down, line.checked_sub(1)) {
                (true, _) => line + 1,
                (false, Some(previous)) => previous,
                (false, None) => break None,
            };
            match self.documents[self.current].line(line) {
                None => break None,
                Some(text) if regex.is_match(text) => break Some(line),
                Some(_) => {}
            }
        };
        // The first line is looked at too when nothing was searched for before.
        let found = found.or_else(|| {
            let text = self.documents[self.current].line(start)?;
            (down && start == 0 && regex.is_match(text)).then_some(start)
        });
        match found {
            Some(line) => self.top = Place { line, row: 0 },
            None => self.message = Some("Pattern not found".into()),
        }
        self.search = Some((regex, forward));
    }

    // Drawing.

    fn draw(&mut self) -> io::Result<()> {
        let mut frame = b"\x1b[H".to_vec();
        let mut place = self.top;
        let mut ended = self.document().line(place.line).is_none();
        let mut blank_before = false;
        let mut row = 0;
        while row + 1 < self.rows {
            if ended {
                frame.extend_from_slice(b"~");
            } else {
                let text = self
                    .wrapped(place.line)
                    .and_then(|rows| rows.get(place.row).cloned())
                    .unwrap_or_default();
                let blank = text.is_empty();
                if !(self.settings.squeeze && blank && blank_before) {
                    self.highlighted(&text, &mut frame);
                } else {
                    row = row.saturating_sub(1);
                }
                blank_before = blank;
                ended = !self.step_down(&mut place);
            }
            frame.extend_from_slice(b"\x1b[m\x1b[K\r\n");
            row += 1;
        }
        frame.extend_from_slice(b"\x1b[7m");
        let prompt = self.prompt(ended);
        frame.extend_from_slice(prompt.as_bytes());
        frame.extend_from_slice(b"\x1b[27m\x1b[K");
        self.out.write_all(&frame)?;
        self.out.flush()
    }

    fn highlighted(&self, text: &[u8], frame: &mut Vec<u8>) {
        let Some((regex, _)) = &self.search else {
            frame.extend_from_slice(text);
            return;
        };
        let mut from = 0;
        while let Some((start, end)) = regex.find_at(text, from) {
            if end == start {
                break;
            }
            frame.extend_from_slice(&text[from..start]);
            frame.extend_from_slice(b"\x1b[7m");
            frame.extend_from_slice(&text[start..end]);
            frame.extend_from_slice(b"\x1b[27m");
            from = end;
        }
        frame.extend_from_slice(&text[from..]);
    }

    fn prompt(&mut self, ended: bool) -> String {
        if let Some(message) = self.message.take() {
            return message;
        }
        if !self.count.is_empty() {
            return format!(":{}", self.count);
        }
        let top = self.top.line;
        let document = self.document();
        let percent = document
            .known_count()
            .filter(|&count| count > 0)
            .map(|count| top * 100 / count);
        let name = document.name.clone();
        if self.settings.more {
            return percent.map_or_else(|| "--More--".to_owned(), |percent| format!("--More--({percent}%)"));
        }
        if ended {
            return "(END)".to_owned();
        }
        if self.top == Place::default() && name != "-" {
            name
        } else {
            ":".to_owned()
        }
    }
}

/// The characters of a line with their widths; control characters as `^X`, escape sequences as they are with `raw`.
fn cells(text: &[u8], raw: bool) -> Vec<(Vec<u8>, usize)> {
    let mut out: Vec<(Vec<u8>, usize)> = Vec::new();
    let mut column = 0;
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        let (bytes, width, length) = match byte {
            b'\t' => {
                let width = 8 - column % 8;
                (vec![b' '; width], width, 1)
            }
            0x1b if raw => {
                let end = text[at..]
                    .iter()
                    .position(u8::is_ascii_alphabetic)
                    .map_or(text.len(), |end| at + end + 1);
                (text[at..end].to_vec(), 0, end - at)
            }
            0..=0x1f => (vec![b'^', byte + 64], 2, 1),
            0x7f => (b"^?".to_vec(), 2, 1),
            _ => {
                let (_, length) = crate::regex::literal_at(&text[at..]);
                match std::str::from_utf8(&text[at..at + length]) {
                    Ok(valid) => (
                        valid.as_bytes().to_vec(),
                        if valid >= "\u{1100}" && is_wide(valid) { 2 } else { 1 },
                        length,
                    ),
                    Err(_) => (format!("<{byte:02X}>").into_bytes(), 4, 1),
                }
            }
        };
        column += width;
        out.push((bytes, width));
        at += length;
    }
    out
}

fn is_wide(character: &str) -> bool {
    let code = character.chars().next().map_or(0, u32::from);
    matches!(code, 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0x1f300..=0x1faff)
}

fn skip_width(cells: &[(Vec<u8>, usize)], shift: usize) -> Vec<&(Vec<u8>, usize)> {
    let mut skipped = 0;
    cells
        .iter()
        .filter(|(_, width)| {
            let visible = *width == 0 || skipped >= shift;
            skipped += width;
            visible
        })
        .collect()
}

fn take_width(cells: &[&(Vec<u8>, usize)], width: usize) -> Vec<u8> {
    let mut used = 0;
    let mut out = Vec::new();
    for (bytes, cell) in cells {
        used += cell;
        if used > width {
            break;
        }
        out.extend_from_slice(bytes);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    struct Script(VecDeque<Key>);

    impl Keys for Script {
        fn key(&mut self) -> Option<Key> {
            self.0.pop_front()
        }
    }

    /// What the last frame shows after `keys`.
    fn last_frame(text: &str, settings: Settings, keys: &str) -> Vec<String> {
        let document = Document::new("f", Box::new(io::Cursor::new(text.as_bytes().to_vec())));
        let keys = keys
            .chars()
            .map(|c| if c == '\n' { Key::Enter } else { Key::Char(c) })
            .collect();
        let mut out = Vec::new();
        Pager::new(vec![document], settings, 4, 20, &mut out, Script(keys))
            .run(&[])
            .unwrap();
        let shown = String::from_utf8(out).unwrap();
        let frame = shown
            .rsplit("\x1b[H")
            .next()
            .unwrap()
            .split("\r\x1b[K")
            .next()
            .unwrap()
            .to_owned();
        let mut plain = frame;
        for code in ["\x1b[7m", "\x1b[27m", "\x1b[K", "\x1b[m"] {
            plain = plain.replace(code, "");
        }
        plain.split("\r\n").map(str::to_owned).collect()
    }

    fn numbers(count: usize) -> String {
        (1..=count).map(|n| format!("{n}\n")).collect()
    }

    #[test]
    fn pages_lines_and_ends() {
        let text = numbers(10);
        let frame = |keys: &str| last_frame(&text, Settings::default(), keys);
        assert_eq!(frame(""), ["1", "2", "3", "f"]);
        assert_eq!(frame(" "), ["4", "5", "6", ":"]);
        assert_eq!(frame("jj"), ["3", "4", "5", ":"]);
        assert_eq!(frame("G"), ["8", "9", "10", "(END)"]);
        assert_eq!(frame("Gk"), ["7", "8", "9", ":"]);
        assert_eq!(frame("Gg"), ["1", "2", "3", "f"]);
        assert_eq!(frame("5g"), ["5", "6", "7", ":"]);
        assert_eq!(frame("/7\n"), ["7", "8", "9", ":"]);
        assert_eq!(frame("G?2\n"), ["2", "3", "4", ":"]);
        assert_eq!(frame("/x\n")[3], "Pattern not found");
    }

    #[test]
    fn long_lines_wrap_or_are_chopped() {
        let text = "abcdefghijklmnopqrstuvwxyz\nx\n";
        assert_eq!(
            last_frame(text, Settings::default(), ""),
            ["abcdefghijklmnopqrst", "uvwxyz", "x", "(END)"]
        );
        let chop = Settings {
            chop: true,
            ..Settings::default()
        };
        assert_eq!(last_frame(text, chop, ""), ["abcdefghijklmnopqrst", "x", "~", "(END)"]);
    }
}
