//! From bytes of a terminal to keys.

use crate::sys;
use crate::text;

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Char(char),
    /// Control and a letter (upper case), or `?` for DEL.
    Ctrl(char),
    /// Escape or Alt and a character.
    Meta(char),
    /// Arrow keys and their kin.
    Up,
    /// Down
    Down,
    /// Left
    Left,
    /// Right
    Right,
    /// Home
    Home,
    /// End
    End,
    /// Delete
    Delete,
    /// One word left.
    WordLeft,
    /// One word right.
    WordRight,
    /// Something that is not understood.
    Unknown,
    /// The window changed, or another signal arrived.
    Signal,
    /// The terminal is gone.
    Eof,
}

/// Reads keys of a descriptor.
pub struct Keys {
    fd: u32,
    buf: Vec<u8>,
    at: usize,
}

impl Keys {
    /// Keys of a descriptor.
    pub fn new(fd: u32) -> Self {
        Self {
            fd,
            buf: Vec::new(),
            at: 0,
        }
    }

    /// Whether more keys are there already.
    pub fn has_more(&self) -> bool {
        self.at < self.buf.len()
    }

    fn byte(&mut self) -> Result<u8, Key> {
        if let Some(b) = self.buf.get(self.at) {
            self.at += 1;
            return Ok(*b);
        }
        self.buf.resize(512, 0);
        let read = sys::read(self.fd, &mut self.buf);
        self.at = 0;
        match read {
            Ok(0) => {
                self.buf.clear();
                Err(Key::Eof)
            }
            Ok(n) => {
                self.buf.truncate(n);
                self.at = 1;
                Ok(self.buf[0])
            }
            Err(error) => {
                self.buf.clear();
                Err(if error.kind() == std::io::ErrorKind::Interrupted {
                    Key::Signal
                } else {
                    Key::Eof
                })
            }
        }
    }

    /// The next key.
    pub fn next(&mut self) -> Key {
        match self.byte() {
            Err(key) => key,
            Ok(0x1b) => self.escape(),
            Ok(0x7f) => Key::Ctrl('?'),
            Ok(b @ 0..=0x1f) => Key::Ctrl(char::from(b + 0x40)),
            Ok(b) => Key::Char(self.character(b)),
        }
    }

    fn character(&mut self, first: u8) -> char {
        let more = match first {
            0xc0..=0xdf => 1,
            0xe0..=0xef => 2,
            0xf0..=0xf7 => 3,
            _ => 0,
        };
        let mut bytes = vec![first];
        for _ in 0..more {
            match self.byte() {
                Ok(b) => bytes.push(b),
                Err(_) => break,
            }
        }
        text::decode(bytes)
            .chars()
            .next()
            .unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    fn escape(&mut self) -> Key {
        match self.byte() {
            Ok(b'[') => self.sequence(),
            Ok(b'O') => match self.byte() {
                Ok(b'A') => Key::Up,
                Ok(b'B') => Key::Down,
                Ok(b'C') => Key::Right,
                Ok(b'D') => Key::Left,
                Ok(b'H') => Key::Home,
                Ok(b'F') => Key::End,
                _ => Key::Unknown,
            },
            Ok(b) => Key::Meta(char::from(b)),
            Err(key) => key,
        }
    }

    fn sequence(&mut self) -> Key {
        let mut parameters = String::new();
        loop {
            match self.byte() {
                Ok(b @ (b'0'..=b'9' | b';')) if parameters.len() < 16 => parameters.push(char::from(b)),
                Ok(b) => return key_of(&parameters, b),
                Err(key) => return key,
            }
        }
    }
}

fn key_of(parameters: &str, last: u8) -> Key {
    let word = parameters.ends_with(";5") || parameters.ends_with(";3");
    match (last, parameters) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'C', _) if word => Key::WordRight,
        (b'D', _) if word => Key::WordLeft,
        (b'C', _) => Key::Right,
        (b'D', _) => Key::Left,
        (b'H', _) | (b'~', "1" | "7") => Key::Home,
        (b'F', _) | (b'~', "4" | "8") => Key::End,
        (b'~', "3") => Key::Delete,
        _ => Key::Unknown,
    }
}
