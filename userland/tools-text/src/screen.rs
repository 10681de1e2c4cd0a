//! The terminal, for tools that draw on it.

use agentos_guest::tty::{self, Termios, When};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};

/// Local modes: line editing, echo, signals from keys.
const ICANON: u32 = 0o2;
const ECHO: u32 = 0o10;

/// Rows and columns of the terminal on `fd`; 24 by 80 when it does not tell.
pub fn size(fd: BorrowedFd<'_>) -> (usize, usize) {
    let known = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .filter(|&n: &usize| n > 0)
    };
    let found = tty::size(fd).ok().filter(|size| size.rows > 0 && size.cols > 0);
    let (rows, columns) = found.map_or((24, 80), |size| (usize::from(size.rows), usize::from(size.cols)));
    (known("LINES").unwrap_or(rows), known("COLUMNS").unwrap_or(columns))
}

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Char(char),
    Enter,
    Escape,
    Backspace,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Control(char),
}

/// Where keys come from.
pub trait Keys {
    /// The next key; `None` when there are no more.
    fn key(&mut self) -> Option<Key>;
}

/// The controlling terminal in a mode that gives every key at once; its own mode comes back at the end.
pub struct Keyboard {
    file: File,
    before: Option<Termios>,
    pending: Vec<u8>,
}

impl Keyboard {
    /// Opens the terminal.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn open() -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let before = tty::get(file.as_fd())?;
        let mut raw = before;
        raw.lflag &= !(ICANON | ECHO);
        raw.cc[5] = 0;
        raw.cc[6] = 1;
        tty::set(file.as_fd(), When::Drain, &raw)?;
        Ok(Self {
            file,
            before: Some(before),
            pending: Vec::new(),
        })
    }

    /// Size of the terminal.
    pub fn size(&self) -> (usize, usize) {
        size(self.file.as_fd())
    }

    fn byte(&mut self) -> Option<u8> {
        if self.pending.is_empty() {
            let mut buffer = [0; 64];
            let count = loop {
                match self.file.read(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => break other.ok()?,
                }
            };
            self.pending.extend(buffer[..count].iter().rev());
        }
        self.pending.pop()
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            // The terminal may be gone.
            let _ = tty::set(self.file.as_fd(), When::Drain, &before);
        }
    }
}

impl Keys for Keyboard {
    fn key(&mut self) -> Option<Key> {
        Some(match self.byte()? {
            b'\r' | b'\n' => Key::Enter,
            8 | 0x7f => Key::Backspace,
            0x1b => {
                if self.pending.is_empty() {
                    return Some(Key::Escape);
                }
                match self.byte()? {
                    b'[' | b'O' => self.sequence()?,
                    b'v' => Key::PageUp,
                    _ => Key::Escape,
                }
            }
            control @ 1..=26 => Key::Control(char::from(control + 96)),
            byte if byte < 0x80 => Key::Char(char::from(byte)),
            byte => self.wide(byte)?,
        })
    }
}

impl Keyboard {
    fn sequence(&mut self) -> Option<Key> {
        let mut number = 0u32;
        loop {
            match self.byte()? {
                digit @ b'0'..=b'9' => number = (number * 10 + u32::from(digit - b'0')).min(1000),
                b';' => number = 0,
                b'A' => return Some(Key::Up),
                b'B' => return Some(Key::Down),
                b'C' => return Some(Key::Right),
                b'D' => return Some(Key::Left),
                b'H' => return Some(Key::Home),
                b'F' => return Some(Key::End),
                b'~' => {
                    return Some(match number {
                        1 | 7 => Key::Home,
                        4 | 8 => Key::End,
                        5 => Key::PageUp,
                        6 => Key::PageDown,
                        _ => Key::Escape,
                    });
                }
                _ => return Some(Key::Escape),
            }
        }
    }

    fn wide(&mut self, first: u8) -> Option<Key> {
        let mut bytes = vec![first];
        let length = match first {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            _ => 4,
        };
        while bytes.len() < length {
            bytes.push(self.byte()?);
        }
        Some(Key::Char(
            String::from_utf8_lossy(&bytes).chars().next().unwrap_or('\u{fffd}'),
        ))
    }
}
