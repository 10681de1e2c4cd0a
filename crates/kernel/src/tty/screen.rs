//! The queue from the program to the master, and the echo that goes into it.
//!
//! Echo is not written at once: it is queued as operations that are carried out when there is room, since what a tab or its
//! erasure does depends on the column that the screen has by then. The oldest operations are dropped if too many wait.

use super::BUFFER;
use super::ctype::{is_control, to_upper};
use super::termios::{InputModes, LocalModes, OutputModes, Termios};
use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct Screen {
    output: VecDeque<u8>,
    echo: VecDeque<Echo>,
    /// Echo was queued and not tried yet.
    fresh: bool,
    column: usize,
    /// Column in which the line being typed begins.
    line_column: usize,
    /// By a stop character.
    stopped: bool,
    /// By a program; start characters do not undo it.
    held: bool,
}

/// One operation of echo.
#[derive(Debug, Clone, Copy)]
enum Echo {
    /// A byte, processed as output.
    Byte(u8),
    /// A control character, as `^X`.
    Control(u8),
    /// The byte 0xff, which Linux's queue escapes and therefore never processes.
    Plain(u8),
    /// The line begins in the present column.
    LineStart,
    /// The last byte took no column.
    Back,
    /// Back over a tab that stood this many columns (modulo 8) after the start of the line, or after a tab.
    EraseTab { columns: usize, after_tab: bool },
}

/// Operations that may wait.
const ECHO_MAX: usize = 4096;

impl Screen {
    pub(super) fn len(&self) -> usize {
        self.output.len()
    }

    /// Bytes that fit now.
    pub(super) fn room(&self) -> usize {
        match self.stopped || self.held {
            true => 0,
            false => BUFFER.saturating_sub(self.output.len()),
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped && !self.held
    }

    /// Stops or starts by a flow control character.
    pub(super) fn set_stopped(&mut self, stopped: bool) {
        // While a program holds the output back, a start character has no say.
        if stopped || !self.held {
            self.stopped = stopped;
        }
    }

    /// Stops or starts by a program.
    pub(super) fn set_held(&mut self, held: bool) {
        if self.held && !held {
            self.stopped = false;
        }
        self.held = held;
    }

    /// Throws unread output away.
    pub(super) fn clear(&mut self) {
        self.output.clear();
        self.output.shrink_to(4096);
    }

    pub(super) fn drop_echo(&mut self) {
        self.echo.clear();
        self.fresh = false;
    }

    pub(super) fn take(&mut self, buf: &mut [u8]) -> usize {
        let count = self.output.len().min(buf.len());
        let (front, back) = self.output.as_slices();
        let first = front.len().min(count);
        let (to_first, to_second) = buf.split_at_mut(first);
        to_first.copy_from_slice(front.split_at(first).0);
        let second = count - first;
        to_second
            .split_at_mut(second)
            .0
            .copy_from_slice(back.split_at(second).0);
        self.output.drain(..count);
        count
    }

    /// Takes what a program writes, after the echo that is due.
    pub(super) fn transmit(&mut self, data: &[u8], termios: &Termios) -> usize {
        self.flush_echo(termios);
        if !termios.output.contains(OutputModes::OPOST) {
            let fits = self.room().min(data.len());
            self.output.extend(data.split_at(fits).0);
            return fits;
        }
        let mut taken = 0;
        while let Some(rest) = data.get(taken..).filter(|rest| !rest.is_empty()) {
            let plain = rest
                .iter()
                .take_while(|byte| is_plain(**byte, termios))
                .count()
                .min(self.room());
            if plain > 0 {
                let (plain, _) = rest.split_at(plain);
                self.output.extend(plain);
                self.column += plain.iter().filter(|byte| !is_continuation(**byte, termios)).count();
                taken += plain.len();
            } else if self.put(rest.first().copied().unwrap_or(0), termios) {
                taken += 1;
            } else {
                break;
            }
        }
        taken
    }

    /// Echoes a typed byte, control characters visibly if so wanted.
    pub(super) fn echo(&mut self, byte: u8, termios: &Termios) {
        let visible = termios.local.contains(LocalModes::ECHOCTL) && is_control(byte) && byte != b'\t';
        match byte {
            0xff => self.push(Echo::Plain(byte)),
            _ if visible => self.push(Echo::Control(byte)),
            _ => self.push(Echo::Byte(byte)),
        }
    }

    /// Echoes a byte that means what it does.
    pub(super) fn echo_raw(&mut self, byte: u8) {
        self.push(if byte == 0xff {
            Echo::Plain(byte)
        } else {
            Echo::Byte(byte)
        });
    }

    pub(super) fn echo_line_start(&mut self) {
        self.push(Echo::LineStart);
    }

    pub(super) fn echo_back(&mut self) {
        self.push(Echo::Back);
    }

    pub(super) fn echo_erase_tab(&mut self, columns: usize, after_tab: bool) {
        let columns = columns & 7;
        self.push(Echo::EraseTab { columns, after_tab });
    }

    fn push(&mut self, operation: Echo) {
        if self.echo.len() >= ECHO_MAX {
            self.echo.pop_front();
        }
        self.echo.push_back(operation);
        self.fresh = true;
    }

    /// Carries out what was queued by the keys that just came. What found no room then waits for the next output or start
    /// character, not for the next key, as in Linux.
    pub(super) fn flush_fresh_echo(&mut self, termios: &Termios) {
        if self.fresh {
            self.flush_echo(termios);
        }
    }

    /// Carries out what fits.
    pub(super) fn flush_echo(&mut self, termios: &Termios) {
        self.fresh = false;
        while let Some(&operation) = self.echo.front() {
            if !self.carry_out(operation, termios) {
                return;
            }
            self.echo.pop_front();
        }
    }

    fn carry_out(&mut self, operation: Echo, termios: &Termios) -> bool {
        match operation {
            Echo::LineStart => self.line_column = self.column,
            Echo::Back => self.column = self.column.saturating_sub(1),
            Echo::EraseTab { columns, after_tab } => {
                let columns = if after_tab { columns } else { columns + self.line_column };
                let back = 8 - (columns & 7);
                if self.room() < back {
                    return false;
                }
                self.output.extend(core::iter::repeat_n(b'\x08', back));
                self.column = self.column.saturating_sub(back);
            }
            Echo::Control(byte) => {
                if self.room() < 2 {
                    return false;
                }
                self.output.extend([b'^', byte ^ 0o100]);
                self.column += 2;
            }
            Echo::Plain(byte) => {
                if self.room() == 0 {
                    return false;
                }
                self.output.push_back(byte);
                self.column += 1;
            }
            Echo::Byte(byte) if termios.output.contains(OutputModes::OPOST) => return self.put(byte, termios),
            Echo::Byte(byte) => {
                if self.room() == 0 {
                    return false;
                }
                self.output.push_back(byte);
            }
        }
        true
    }

    /// Puts one byte through output processing; `false` if there is no room for what it becomes.
    fn put(&mut self, byte: u8, termios: &Termios) -> bool {
        let mode = |mode| termios.output.contains(mode);
        let room = self.room();
        if room == 0 {
            return false;
        }
        match byte {
            b'\n' => {
                if mode(OutputModes::ONLRET) {
                    self.column = 0;
                }
                if mode(OutputModes::ONLCR) {
                    if room < 2 {
                        return false;
                    }
                    (self.column, self.line_column) = (0, 0);
                    self.output.extend(*b"\r\n");
                    return true;
                }
                self.line_column = self.column;
            }
            b'\r' => {
                if mode(OutputModes::ONOCR) && self.column == 0 {
                    return true;
                }
                if mode(OutputModes::OCRNL) {
                    if mode(OutputModes::ONLRET) {
                        (self.column, self.line_column) = (0, 0);
                    }
                    self.output.push_back(b'\n');
                    return true;
                }
                (self.column, self.line_column) = (0, 0);
            }
            b'\t' => {
                let spaces = 8 - (self.column & 7);
                if termios.output & OutputModes::XTABS == OutputModes::XTABS {
                    if room < spaces {
                        return false;
                    }
                    self.output.extend(core::iter::repeat_n(b' ', spaces));
                    self.column += spaces;
                    return true;
                }
                self.column += spaces;
            }
            b'\x08' => self.column = self.column.saturating_sub(1),
            _ if is_control(byte) => {}
            _ => {
                let byte = if mode(OutputModes::OLCUC) { to_upper(byte) } else { byte };
                if !is_continuation(byte, termios) {
                    self.column += 1;
                }
                self.output.push_back(byte);
                return true;
            }
        }
        self.output.push_back(byte);
        true
    }
}

/// Whether a byte passes unchanged and takes a column, or none as a part of a character.
fn is_plain(byte: u8, termios: &Termios) -> bool {
    !is_control(byte) && !termios.output.contains(OutputModes::OLCUC)
}

fn is_continuation(byte: u8, termios: &Termios) -> bool {
    termios.input.contains(InputModes::IUTF8) && byte & 0xc0 == 0x80
}
