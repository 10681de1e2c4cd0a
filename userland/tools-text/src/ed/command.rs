//! Addresses and commands.

use super::Input;
use super::address::{Cursor, Range};
use super::buffer::Buffer;
use crate::io::{bytes_of, path as path_of, print, reason};
use crate::regex::Regex;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::{Command, Stdio};
use std::rc::Rc;

/// Whether to go on.
pub enum Outcome {
    Continue,
    Quit,
}

pub(super) type Run<T> = Result<T, String>;

/// An editing session.
#[derive(Default)]
pub struct Editor {
    pub(super) buffer: Buffer,
    pub(super) undo: Option<Buffer>,
    file: Option<Vec<u8>>,
    pub extended: bool,
    pub silent: bool,
    pub explains: bool,
    pub prompt: Option<String>,
    pub prompting: bool,
    /// The user was told that the text is not written.
    pub warned: bool,
    dirty: bool,
    last_error: String,
    pub(super) regex: Option<Rc<Regex>>,
    pub(super) replacement: Vec<u8>,
    yanked: Vec<Vec<u8>>,
    last_shell: Vec<u8>,
    pub(super) in_global: bool,
}

impl Editor {
    /// Whether there are changes that were not written.
    pub fn modified(&self) -> bool {
        self.dirty
    }

    /// Prints the prompt, if there is one.
    pub fn show_prompt(&mut self) {
        if let (true, Some(prompt)) = (self.prompting, &self.prompt) {
            print(prompt.as_bytes());
        }
    }

    /// Says that something went wrong.
    pub fn fail(&mut self, message: &str) {
        self.last_error = message.to_owned();
        print(b"?\n");
        if self.explains {
            print(format!("{message}\n").as_bytes());
        }
    }

    /// Reads the file of the command line.
    pub fn open(&mut self, name: &OsStr) {
        self.file = Some(bytes_of(name).to_vec());
        match fs::read(name) {
            Ok(bytes) => self.load(&bytes, 0),
            Err(error) => {
                eprintln!("{}: {}", crate::io::shown(name), reason(&error));
                self.last_error = "Cannot open input file".to_owned();
            }
        }
        self.dirty = false;
    }

    /// Inserts the contents of a file and says how many bytes.
    fn load(&mut self, bytes: &[u8], after: usize) {
        let mut lines: Vec<Vec<u8>> = bytes.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
        let complete = bytes.ends_with(b"\n");
        if complete || bytes.is_empty() {
            lines.pop();
        } else if !self.silent {
            print(b"Newline appended\n");
        }
        let count = bytes.len() + usize::from(!complete && !bytes.is_empty());
        self.buffer.insert(after, lines);
        if !self.silent {
            print(format!("{count}\n").as_bytes());
        }
    }

    /// Carries out one command line.
    ///
    /// # Errors
    ///
    /// What ed calls it.
    pub fn execute(&mut self, line: &[u8], input: &mut Input) -> Run<Outcome> {
        let mut cursor = Cursor { text: line, at: 0 };
        let range = self.addresses(&mut cursor)?;
        cursor.skip_blanks();
        let command = cursor.next();
        let was_warned = std::mem::take(&mut self.warned);
        match command {
            None => {
                let to = if range.count == 0 {
                    self.buffer.current + 1
                } else {
                    range.to
                };
                self.check(to, to, false)?;
                self.buffer.current = to;
                self.print_lines(to, to, b'p');
            }
            Some(b'a' | b'i' | b'c') => self.insert_text(command.unwrap_or(b'a'), &range, &mut cursor, input)?,
            Some(b'd') => {
                let (from, to) = self.lines(&range, false)?;
                let suffix = self.suffix(&mut cursor)?;
                self.save_undo();
                self.yanked = self.buffer.copy(from, to);
                self.buffer.delete(from, to);
                self.print_suffix(suffix);
            }
            Some(letter @ (b'p' | b'n' | b'l')) => {
                let (from, to) = self.lines(&range, false)?;
                cursor.at -= 1;
                let suffix = self.suffix(&mut cursor)?.unwrap_or(letter);
                self.buffer.current = to;
                self.print_lines(from, to, suffix);
            }
            Some(b'=') => {
                let to = if range.count == 0 { self.buffer.last() } else { range.to };
                print(format!("{to}\n").as_bytes());
            }
            Some(b'k') => {
                let name = cursor
                    .next()
                    .filter(u8::is_ascii_lowercase)
                    .ok_or("Invalid mark character")?;
                let to = if range.count == 0 {
                    self.buffer.current
                } else {
                    range.to
                };
                self.check(to, to, false)?;
                self.buffer.mark(name, to);
            }
            Some(b'j') => self.join(&range, &mut cursor)?,
            Some(b'm' | b't') => self.transfer(command == Some(b'm'), &range, &mut cursor)?,
            Some(b'y') => {
                let (from, to) = self.lines(&range, false)?;
                self.yanked = self.buffer.copy(from, to);
            }
            Some(b'x') => {
                let to = if range.count == 0 {
                    self.buffer.current
                } else {
                    range.to
                };
                if self.yanked.is_empty() {
                    return Err("Nothing to put".into());
                }
                self.save_undo();
                self.buffer.insert(to, self.yanked.clone());
            }
            Some(b's') => self.substitute(&range, &mut cursor, input)?,
            Some(b'g' | b'v' | b'G' | b'V') => {
                return self.global(
                    command == Some(b'v') || command == Some(b'V'),
                    &range,
                    &mut cursor,
                    input,
                );
            }
            Some(b'u') => {
                let suffix = self.suffix(&mut cursor)?;
                let before = self.undo.take().ok_or("Nothing to undo")?;
                self.undo = Some(std::mem::replace(&mut self.buffer, before));
                self.dirty = true;
                self.print_suffix(suffix);
            }
            Some(b'z') => {
                let from = if range.count == 0 {
                    self.buffer.current + 1
                } else {
                    range.to
                };
                self.check(from, from, false)?;
                let count = cursor.number().unwrap_or(22);
                let to = (from + count.max(1) - 1).min(self.buffer.last());
                self.buffer.current = to;
                self.print_lines(from, to, b'p');
            }
            Some(b'!') => self.shell(&range, &mut cursor)?,
            Some(b'#') => {}
            Some(letter) => return self.file_command(letter, &range, &mut cursor, was_warned),
        }
        Ok(Outcome::Continue)
    }

    /// The commands about files and the session.
    fn file_command(&mut self, letter: u8, range: &Range, cursor: &mut Cursor<'_>, was_warned: bool) -> Run<Outcome> {
        match letter {
            b'q' | b'Q' => {
                if letter == b'q' && self.dirty && !was_warned && !self.in_global {
                    self.warned = true;
                    return Err("Warning: buffer modified".into());
                }
                return Ok(Outcome::Quit);
            }
            b'H' => {
                self.explains = !self.explains;
                if self.explains && !self.last_error.is_empty() {
                    print(format!("{}\n", self.last_error).as_bytes());
                }
            }
            b'h' => {
                if !self.last_error.is_empty() {
                    print(format!("{}\n", self.last_error).as_bytes());
                }
            }
            b'P' => {
                self.prompt.get_or_insert_with(|| "*".to_owned());
                self.prompting = !self.prompting;
            }
            b'f' => {
                let name = self.file_name(cursor)?;
                if let Some(name) = name {
                    self.file = Some(name);
                }
                let shown = self.file.clone().ok_or("No current filename")?;
                print(&[&shown, b"\n".as_slice()].concat());
            }
            b'e' | b'E' => {
                if letter == b'e' && self.dirty && !was_warned {
                    self.warned = true;
                    return Err("Warning: buffer modified".into());
                }
                let name = self.file_name(cursor)?;
                let bytes = self.contents(name.as_deref())?;
                if let Some(name) = name.filter(|name| !name.starts_with(b"!")) {
                    self.file = Some(name);
                }
                self.buffer = Buffer::default();
                self.undo = None;
                self.load(&bytes, 0);
                self.dirty = false;
            }
            b'r' => {
                let after = if range.count == 0 { self.buffer.last() } else { range.to };
                if after > self.buffer.last() {
                    return Err("Invalid address".into());
                }
                let name = self.file_name(cursor)?;
                let bytes = self.contents(name.as_deref())?;
                if let (None, Some(name)) = (&self.file, name.filter(|name| !name.starts_with(b"!"))) {
                    self.file = Some(name);
                }
                self.save_undo();
                self.load(&bytes, after);
            }
            b'w' | b'W' => return self.write(letter == b'W', range, cursor),
            _ => return Err("Unknown command".into()),
        }
        Ok(Outcome::Continue)
    }

    fn file_name(&self, cursor: &mut Cursor<'_>) -> Run<Option<Vec<u8>>> {
        match cursor.peek() {
            None => Ok(None),
            Some(b' ' | b'\t') => {
                cursor.skip_blanks();
                let name = cursor.rest().to_vec();
                Ok((!name.is_empty()).then_some(name))
            }
            Some(_) => Err("Unexpected command suffix".into()),
        }
    }

    /// The contents of a file, or the output of a command behind `!`.
    fn contents(&self, name: Option<&[u8]>) -> Run<Vec<u8>> {
        let name = name.or(self.file.as_deref()).ok_or("No current filename")?;
        if let Some(command) = name.strip_prefix(b"!") {
            let output = Command::new("sh")
                .arg("-c")
                .arg(crate::io::os(command.to_vec()))
                .stdin(Stdio::null())
                .output();
            return output
                .map(|output| output.stdout)
                .map_err(|_| "Cannot open input file".to_owned());
        }
        fs::read(path_of(name)).map_err(|error| {
            eprintln!("{}: {}", String::from_utf8_lossy(name), reason(&error));
            "Cannot open input file".to_owned()
        })
    }

    fn write(&mut self, append: bool, range: &Range, cursor: &mut Cursor<'_>) -> Run<Outcome> {
        let quits = cursor.peek() == Some(b'q');
        if quits {
            cursor.at += 1;
        }
        let (from, to) = match range.count {
            0 => (1, self.buffer.last()),
            1 => (range.to, range.to),
            _ => (range.from, range.to),
        };
        if to > self.buffer.last() || (from == 0 && to > 0) || from > to + 1 {
            return Err("Invalid address".into());
        }
        let given = self.file_name(cursor)?;
        let name = given
            .clone()
            .or_else(|| self.file.clone())
            .ok_or("No current filename")?;
        let mut text = Vec::new();
        for line in from.max(1)..=to {
            text.extend_from_slice(self.buffer.text(line));
            text.push(b'\n');
        }
        if let Some(command) = name.strip_prefix(b"!") {
            let child = Command::new("sh")
                .arg("-c")
                .arg(crate::io::os(command.to_vec()))
                .stdin(Stdio::piped())
                .spawn();
            let mut child = child.map_err(|_| "Cannot open output file".to_owned())?;
            if let Some(mut pipe) = child.stdin.take() {
                let _ = pipe.write_all(&text);
            }
            let _ = child.wait();
        } else {
            let mut options = OpenOptions::new();
            options.create(true);
            if append {
                options.append(true)
            } else {
                options.write(true).truncate(true)
            };
            let outcome = options.open(path_of(&name)).and_then(|mut file| file.write_all(&text));
            outcome.map_err(|error| {
                eprintln!("{}: {}", String::from_utf8_lossy(&name), reason(&error));
                "Cannot open output file".to_owned()
            })?;
            if self.file.is_none() {
                self.file = given;
            }
            if from <= 1 && to == self.buffer.last() {
                self.dirty = false;
            }
        }
        if !self.silent {
            print(format!("{}\n", text.len()).as_bytes());
        }
        Ok(if quits && !self.dirty {
            Outcome::Quit
        } else {
            Outcome::Continue
        })
    }

    // Printing.

    /// Letters behind a command: how to print the current line.
    fn suffix(&self, cursor: &mut Cursor<'_>) -> Run<Option<u8>> {
        let mut found = None;
        loop {
            match cursor.next() {
                None => return Ok(found),
                Some(letter @ (b'p' | b'n' | b'l')) => {
                    found = Some(if found == Some(b'n') && letter == b'p' {
                        b'n'
                    } else {
                        letter
                    })
                }
                Some(b' ' | b'\t') => {}
                Some(_) => return Err("Invalid command suffix".into()),
            }
        }
    }

    pub(super) fn print_suffix(&self, suffix: Option<u8>) {
        if let (Some(how), true) = (suffix, self.buffer.current > 0) {
            self.print_lines(self.buffer.current, self.buffer.current, how);
        }
    }

    fn print_lines(&self, from: usize, to: usize, how: u8) {
        let mut out = Vec::new();
        for number in from..=to {
            let text = self.buffer.text(number);
            match how {
                b'n' => {
                    out.extend_from_slice(format!("{number}\t").as_bytes());
                    out.extend_from_slice(text);
                }
                b'l' => unambiguous(&mut out, text),
                _ => out.extend_from_slice(text),
            }
            out.push(b'\n');
        }
        print(&out);
    }

    // Changing.

    /// Remembers the text before a change; a global command counts as one.
    pub(super) fn save_undo(&mut self) {
        if !self.in_global {
            self.undo = Some(self.buffer.clone());
        }
        self.dirty = true;
    }

    fn insert_text(&mut self, command: u8, range: &Range, cursor: &mut Cursor<'_>, input: &mut Input) -> Run<()> {
        let (from, to) = self
            .lines(range, command != b'c' || self.buffer.last() == 0)
            .or_else(|error| {
                // An empty text takes a change like an append.
                if self.buffer.last() == 0 && range.count == 0 {
                    Ok((0, 0))
                } else {
                    Err(error)
                }
            })?;
        let suffix = self.suffix(cursor)?;
        let mut lines = Vec::new();
        while let Some(line) = input.line() {
            if line == b"." {
                break;
            }
            lines.push(line);
            if self.in_global && !input.has_pending() {
                break;
            }
        }
        self.save_undo();
        let after = match command {
            b'a' => to,
            b'i' => to.saturating_sub(1),
            _ => {
                if from > 0 {
                    self.yanked = self.buffer.copy(from, to);
                    self.buffer.delete(from, to);
                }
                from.saturating_sub(1)
            }
        };
        if lines.is_empty() {
            if command != b'c' {
                self.buffer.current = to;
            }
        } else {
            self.buffer.insert(after, lines);
        }
        self.print_suffix(suffix);
        Ok(())
    }

    fn join(&mut self, range: &Range, cursor: &mut Cursor<'_>) -> Run<()> {
        let (from, to) = match range.count {
            0 => (self.buffer.current, self.buffer.current + 1),
            1 => (range.to, range.to),
            _ => (range.from, range.to),
        };
        self.check(from, to, false)?;
        let suffix = self.suffix(cursor)?;
        if from < to {
            self.save_undo();
            let text = self.buffer.copy(from, to).concat();
            self.buffer.delete(from, to);
            self.buffer.insert(from - 1, vec![text]);
        }
        self.print_suffix(suffix);
        Ok(())
    }

    fn transfer(&mut self, moves: bool, range: &Range, cursor: &mut Cursor<'_>) -> Run<()> {
        let (from, to) = self.lines(range, false)?;
        cursor.skip_blanks();
        let after = self.address(cursor)?.unwrap_or(self.buffer.current);
        let suffix = self.suffix(cursor)?;
        if moves && (from..to).contains(&after) {
            return Err("Invalid destination".into());
        }
        self.save_undo();
        if moves {
            if after != to {
                self.buffer.move_lines(from, to, after);
            } else {
                self.buffer.current = to;
            }
        } else {
            let lines = self.buffer.copy(from, to);
            self.buffer.insert(after, lines);
        }
        self.print_suffix(suffix);
        Ok(())
    }

    fn shell(&mut self, range: &Range, cursor: &mut Cursor<'_>) -> Run<()> {
        let mut command = cursor.rest().to_vec();
        if let Some(rest) = command.strip_prefix(b"!") {
            if self.last_shell.is_empty() {
                return Err("No previous command".into());
            }
            command = [&self.last_shell, rest].concat();
            print(&[&command, b"\n".as_slice()].concat());
        }
        if command.contains(&b'%') {
            let file = self.file.clone().ok_or("No current filename")?;
            let parts: Vec<&[u8]> = command.split(|&b| b == b'%').collect();
            command = parts.join(file.as_slice());
        }
        self.last_shell.clone_from(&command);
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(crate::io::os(command));
        if range.count == 0 {
            let _ = shell.status();
            if !self.silent {
                print(b"!\n");
            }
            return Ok(());
        }
        Err("Unexpected address".into())
    }
}

/// A line as the command `l` prints it.
fn unambiguous(out: &mut Vec<u8>, text: &[u8]) {
    let mut column = 0;
    for &byte in text {
        let shown: Vec<u8> = match byte {
            b'\\' => b"\\\\".to_vec(),
            b'$' => b"\\$".to_vec(),
            7 => b"\\a".to_vec(),
            8 => b"\\b".to_vec(),
            9 => b"\\t".to_vec(),
            11 => b"\\v".to_vec(),
            12 => b"\\f".to_vec(),
            13 => b"\\r".to_vec(),
            b' '..=b'~' => vec![byte],
            _ => format!("\\{byte:03o}").into_bytes(),
        };
        if column + shown.len() > 79 {
            out.extend_from_slice(b"\\\n");
            column = 0;
        }
        column += shown.len();
        out.extend_from_slice(&shown);
    }
    out.push(b'$');
}
