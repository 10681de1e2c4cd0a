//! The line discipline: what a keystroke does.
//!
//! A pure state machine after Linux's `N_TTY`, in the same order of decisions, because the order shows: which of two meanings
//! of one byte wins, what an erase does to the screen, when a flush happens relative to the echo. Its parts are the input
//! queue ([`Input`]), the screen side with its echo queue ([`Screen`]), and here the decisions.
//!
//! Bytes come in by [`receive`](Discipline::receive) (from the master) and [`transmit`](Discipline::transmit) (from a slave),
//! and go out by [`read_line`](Discipline::read_line), [`read_bytes`](Discipline::read_bytes) (to a slave) and
//! [`take_output`](Discipline::take_output) (to the master).

use super::ctype::{is_alphanumeric, is_control, to_lower};
use super::input::Input;
use super::job::TtySignal;
use super::screen::Screen;
use super::termios::{Control, InputModes, LocalModes, Termios};
use super::{BUFFER, LINE_MAX};
use smallvec::SmallVec;

#[derive(Debug, Default)]
pub(super) struct Discipline {
    termios: Termios,
    input: Input,
    screen: Screen,
    /// The next byte is taken as it is (`VLNEXT`).
    literal: bool,
    /// Characters are being erased in the style of a printing terminal (`ECHOPRT`).
    erasing: bool,
    signals: SmallVec<[TtySignal; 1]>,
}

/// How much an editing character erases.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Erase {
    Character,
    Word,
    Line,
}

/// `CSIZE` with `PARENB`, and `CS8` with `CREAD`: what a pseudo-terminal does not let anybody change.
const CONTROL_FORBIDDEN: u32 = 0o460;
const CONTROL_FIXED: u32 = 0o260;

/// What stands in the queue for an end of file, and what disables a control character.
pub(super) const DISABLED: u8 = 0;

impl Discipline {
    pub(super) fn termios(&self) -> &Termios {
        &self.termios
    }

    pub(super) fn set_termios(&mut self, mut termios: Termios) {
        termios.control = (termios.control & !CONTROL_FORBIDDEN) | CONTROL_FIXED;
        let old = core::mem::replace(&mut self.termios, termios);
        if old.canonical() != termios.canonical() {
            self.input.set_canonical(termios.canonical());
            self.erasing = false;
            self.literal = false;
        }
        if old.input.contains(InputModes::IXON) && !termios.input.contains(InputModes::IXON) {
            self.restart();
        }
    }

    /// Takes bytes that were typed. Fewer than given if the queue is full.
    pub(super) fn receive(&mut self, data: &[u8]) -> usize {
        if data.is_empty() {
            return 0;
        }
        let mut taken = 0;
        for &byte in data {
            if !self.can_receive() && !self.acts_when_full(byte) {
                break;
            }
            if self.termios.canonical() {
                self.input.make_room_in_line(LINE_MAX);
            }
            self.receive_byte(byte);
            taken += 1;
        }
        if self.local(LocalModes::ECHO) || self.local(LocalModes::ECHONL) {
            self.screen.flush_fresh_echo(&self.termios);
        }
        if !self.termios.canonical() {
            self.input.commit();
        }
        taken
    }

    /// Takes bytes that a program writes. Fewer than given if the queue towards the master is full or stopped.
    pub(super) fn transmit(&mut self, data: &[u8]) -> usize {
        self.screen.transmit(data, &self.termios)
    }

    /// Whether a read would find something: a whole line, or as many bytes as `VMIN` asks for.
    pub(super) fn readable(&self) -> bool {
        if self.termios.canonical() {
            return self.input.has_line();
        }
        let fewest = match (self.termios.char(Control::Min), self.termios.char(Control::Time)) {
            (fewest @ 1.., 0) => usize::from(fewest),
            _ => 1,
        };
        self.input.committed() >= fewest
    }

    /// Bytes of the next line, up to and with its end; 0 is an end of file. `None` if there is no line yet.
    pub(super) fn read_line(&mut self, buf: &mut [u8]) -> Option<usize> {
        self.input.read_line(buf)
    }

    /// Bytes without regard to lines.
    pub(super) fn read_bytes(&mut self, buf: &mut [u8]) -> usize {
        self.input.read_bytes(buf)
    }

    /// How much [`read_bytes`](Self::read_bytes) would find.
    pub(super) fn raw_available(&self) -> usize {
        self.input.committed()
    }

    /// What `FIONREAD` says.
    pub(super) fn available(&self) -> usize {
        match self.termios.canonical() {
            true => self.input.line_bytes(),
            false => self.input.committed(),
        }
    }

    pub(super) fn output_len(&self) -> usize {
        self.screen.len()
    }

    /// Bytes for the master.
    pub(super) fn take_output(&mut self, buf: &mut [u8]) -> usize {
        self.screen.take(buf)
    }

    pub(super) fn can_transmit(&self) -> bool {
        self.screen.room() > 0
    }

    /// Whether a typed byte finds room. A line without an end always does: what exceeds it is lost.
    pub(super) fn can_receive(&self) -> bool {
        match self.termios.canonical() {
            true => self.input.committed() <= BUFFER - LINE_MAX,
            false => self.input.len() < BUFFER,
        }
    }

    pub(super) fn flush_input(&mut self) {
        self.input.clear();
        self.erasing = false;
    }

    pub(super) fn flush_output(&mut self) {
        self.screen.clear();
    }

    /// `tcflow`: a stop that flow control characters do not undo.
    pub(super) fn set_stopped(&mut self, stopped: bool) {
        self.screen.set_held(stopped);
    }

    pub(super) fn take_signals(&mut self) -> SmallVec<[TtySignal; 1]> {
        core::mem::take(&mut self.signals)
    }

    /// Whether a signal that was typed and is not taken yet has thrown away what was queued.
    pub(super) fn has_flushed(&self) -> bool {
        !self.signals.is_empty() && !self.local(LocalModes::NOFLSH)
    }

    fn local(&self, mode: LocalModes) -> bool {
        self.termios.local.contains(mode)
    }

    fn mode(&self, mode: InputModes) -> bool {
        self.termios.input.contains(mode)
    }

    /// Whether nothing is to be done with input but to queue it.
    fn is_raw(&self) -> bool {
        let input = InputModes::ISTRIP
            | InputModes::IUCLC
            | InputModes::IGNCR
            | InputModes::ICRNL
            | InputModes::INLCR
            | InputModes::IXON
            | InputModes::PARMRK;
        let local = LocalModes::ICANON | LocalModes::ISIG | LocalModes::ECHO;
        !self.termios.input.intersects(input) && !self.termios.local.intersects(local)
    }

    /// Signals and flow control need no room.
    fn acts_when_full(&self, byte: u8) -> bool {
        if self.literal {
            return false;
        }
        let is = |which| self.termios.is(which, byte);
        let signal = is(Control::Intr) || is(Control::Quit) || is(Control::Susp);
        let flow = is(Control::Start) || is(Control::Stop);
        (self.local(LocalModes::ISIG) && signal) || (self.mode(InputModes::IXON) && flow)
    }

    fn receive_byte(&mut self, byte: u8) {
        if self.is_raw() && !self.literal {
            return self.input.push(byte);
        }
        let mut byte = byte;
        if self.mode(InputModes::ISTRIP) {
            byte &= 0x7f;
        }
        if self.mode(InputModes::IUCLC) && self.local(LocalModes::IEXTEN) {
            byte = to_lower(byte);
        }
        if core::mem::take(&mut self.literal) || !self.is_special(byte) {
            self.receive_plain(byte);
        } else {
            self.receive_special(byte);
        }
    }

    /// Whether a byte may mean something. Zero never does: it stands for a disabled control character.
    fn is_special(&self, byte: u8) -> bool {
        let is = |which| self.termios.is(which, byte);
        let carriage = byte == b'\r' && (self.mode(InputModes::IGNCR) || self.mode(InputModes::ICRNL));
        let newline = byte == b'\n' && (self.mode(InputModes::INLCR) || self.termios.canonical());
        let flow = self.mode(InputModes::IXON) && (is(Control::Start) || is(Control::Stop));
        let signal = self.local(LocalModes::ISIG) && (is(Control::Intr) || is(Control::Quit) || is(Control::Susp));
        carriage || newline || flow || signal || (self.termios.canonical() && self.is_editing(byte))
    }

    fn is_editing(&self, byte: u8) -> bool {
        let is = |which| self.termios.is(which, byte);
        let extended = is(Control::Werase)
            || is(Control::Lnext)
            || is(Control::Eol2)
            || (is(Control::Reprint) && self.local(LocalModes::ECHO));
        let basic = is(Control::Erase) || is(Control::Kill) || is(Control::Eof) || is(Control::Eol);
        basic || (extended && self.local(LocalModes::IEXTEN))
    }

    fn receive_plain(&mut self, byte: u8) {
        self.restart_on_any();
        if self.local(LocalModes::ECHO) {
            self.finish_erasing();
            self.note_line_column();
            self.screen.echo(byte, &self.termios);
        }
        self.queue(byte);
    }

    fn receive_special(&mut self, byte: u8) {
        let is = |which| self.termios.is(which, byte);
        if self.mode(InputModes::IXON) {
            if is(Control::Start) {
                return self.restart();
            }
            if is(Control::Stop) {
                return self.screen.set_stopped(true);
            }
        }
        if self.local(LocalModes::ISIG) {
            let signals = [
                (Control::Intr, TtySignal::Interrupt),
                (Control::Quit, TtySignal::Quit),
                (Control::Susp, TtySignal::Suspend),
            ];
            if let Some((_, signal)) = signals.into_iter().find(|(which, _)| is(*which)) {
                return self.receive_signal(signal, byte);
            }
        }
        self.restart_on_any();
        let byte = match byte {
            b'\r' if self.mode(InputModes::IGNCR) => return,
            b'\r' if self.mode(InputModes::ICRNL) => b'\n',
            b'\n' if self.mode(InputModes::INLCR) => b'\r',
            byte => byte,
        };
        if self.termios.canonical() && self.edit(byte) {
            return;
        }
        if self.local(LocalModes::ECHO) {
            self.finish_erasing();
            if byte == b'\n' {
                self.screen.echo_raw(byte);
            } else {
                self.note_line_column();
                self.screen.echo(byte, &self.termios);
            }
        }
        self.queue(byte);
    }

    fn receive_signal(&mut self, signal: TtySignal, byte: u8) {
        self.signals.push(signal);
        if !self.local(LocalModes::NOFLSH) {
            self.screen.drop_echo();
            self.screen.clear();
            self.flush_input();
        }
        if self.mode(InputModes::IXON) {
            self.screen.set_stopped(false);
        }
        if self.local(LocalModes::ECHO) {
            self.screen.echo(byte, &self.termios);
        } else {
            self.screen.flush_echo(&self.termios);
        }
    }

    /// Does what an editing character does; `false` if the byte is none.
    fn edit(&mut self, byte: u8) -> bool {
        let extended = self.local(LocalModes::IEXTEN);
        let is = |which| self.termios.char(which) == byte;
        if is(Control::Erase) || is(Control::Kill) || (is(Control::Werase) && extended) {
            self.erase(byte);
        } else if is(Control::Lnext) && extended {
            self.begin_literal();
        } else if is(Control::Reprint) && self.local(LocalModes::ECHO) && extended {
            self.reprint(byte);
        } else if byte == b'\n' {
            if self.local(LocalModes::ECHO) || self.local(LocalModes::ECHONL) {
                self.screen.echo_raw(byte);
            }
            self.input.end_line(byte);
        } else if is(Control::Eof) {
            self.input.end_line(DISABLED);
        } else if is(Control::Eol) || (is(Control::Eol2) && extended) {
            if self.local(LocalModes::ECHO) {
                self.note_line_column();
                self.screen.echo(byte, &self.termios);
            }
            if byte == 0xff && self.mode(InputModes::PARMRK) {
                self.input.push(byte);
            }
            self.input.end_line(byte);
        } else {
            return false;
        }
        true
    }

    fn begin_literal(&mut self) {
        self.literal = true;
        if self.local(LocalModes::ECHO) {
            self.finish_erasing();
            if self.local(LocalModes::ECHOCTL) {
                self.screen.echo_raw(b'^');
                self.screen.echo_raw(b'\x08');
            }
        }
    }

    fn reprint(&mut self, byte: u8) {
        self.finish_erasing();
        self.screen.echo(byte, &self.termios);
        self.screen.echo_raw(b'\n');
        for byte in self.input.line() {
            self.screen.echo(byte, &self.termios);
        }
    }

    fn erase(&mut self, byte: u8) {
        if self.input.line_len() == 0 {
            return;
        }
        let is = |which| self.termios.char(which) == byte;
        let how = if is(Control::Erase) {
            Erase::Character
        } else if is(Control::Werase) {
            Erase::Word
        } else {
            Erase::Line
        };
        if how == Erase::Line && !self.erases_line_on_screen() {
            self.input.drop_line();
            if self.local(LocalModes::ECHO) {
                self.finish_erasing();
                self.screen.echo(self.termios.char(Control::Kill), &self.termios);
                if self.local(LocalModes::ECHOK) {
                    self.screen.echo_raw(b'\n');
                }
            }
            return;
        }
        self.erase_characters(how);
        if self.input.line_len() == 0 && self.local(LocalModes::ECHO) {
            self.finish_erasing();
        }
    }

    /// Whether killing a line takes its characters off the screen, one by one.
    fn erases_line_on_screen(&self) -> bool {
        let all = LocalModes::ECHO | LocalModes::ECHOK | LocalModes::ECHOKE | LocalModes::ECHOE;
        self.local(all)
    }

    fn erase_characters(&mut self, how: Erase) {
        let mut in_word = false;
        while self.input.line_len() > 0 {
            let len = self.last_character_len();
            let Some(first) = self.input.line_from_end(len) else {
                break;
            };
            if self.is_continuation(first) {
                // A character whose start is not in the line is not taken apart.
                break;
            }
            if how == Erase::Word {
                if is_alphanumeric(first) || first == b'_' {
                    in_word = true;
                } else if in_word {
                    break;
                }
            }
            let character = self.input.drop_from_line(len);
            if self.local(LocalModes::ECHO) {
                self.show_erased(&character, how);
            }
            if how == Erase::Character {
                break;
            }
        }
    }

    /// Bytes of the last character of the line.
    fn last_character_len(&self) -> usize {
        let mut len = 1;
        while len < self.input.line_len()
            && self
                .input
                .line_from_end(len)
                .is_some_and(|byte| self.is_continuation(byte))
        {
            len += 1;
        }
        len
    }

    fn is_continuation(&self, byte: u8) -> bool {
        self.mode(InputModes::IUTF8) && byte & 0xc0 == 0x80
    }

    /// Takes an erased character off the screen, or shows that it went.
    fn show_erased(&mut self, character: &[u8], how: Erase) {
        let Some((&first, rest)) = character.split_first() else {
            return;
        };
        let controls_shown = self.local(LocalModes::ECHOCTL);
        if self.local(LocalModes::ECHOPRT) {
            if !self.erasing {
                self.screen.echo_raw(b'\\');
                self.erasing = true;
            }
            self.screen.echo(first, &self.termios);
            for &byte in rest {
                self.screen.echo_raw(byte);
                self.screen.echo_back();
            }
        } else if how == Erase::Character && !self.local(LocalModes::ECHOE) {
            self.screen.echo(self.termios.char(Control::Erase), &self.termios);
        } else if first == b'\t' {
            let (columns, after_tab) = self.columns_before_tab();
            self.screen.echo_erase_tab(columns, after_tab);
        } else {
            let wide = is_control(first) && controls_shown;
            let shown = !is_control(first) || controls_shown;
            for _ in 0..usize::from(wide) + usize::from(shown) {
                b"\x08 \x08".iter().for_each(|byte| self.screen.echo_raw(*byte));
            }
        }
    }

    /// Columns between the erased tab and the tab before it, or the start of the line; and whether it was a tab.
    fn columns_before_tab(&self) -> (usize, bool) {
        let mut columns = 0;
        for byte in self.input.line().rev() {
            if byte == b'\t' {
                return (columns, true);
            }
            if is_control(byte) {
                columns += if self.local(LocalModes::ECHOCTL) { 2 } else { 0 };
            } else if !self.is_continuation(byte) {
                columns += 1;
            }
        }
        (columns, false)
    }

    fn finish_erasing(&mut self) {
        if core::mem::take(&mut self.erasing) {
            self.screen.echo_raw(b'/');
        }
    }

    /// Remembers where on the screen a line begins.
    fn note_line_column(&mut self) {
        if self.input.line_len() == 0 {
            self.screen.echo_line_start();
        }
    }

    fn queue(&mut self, byte: u8) {
        if byte == 0xff && self.mode(InputModes::PARMRK) {
            self.input.push(byte);
        }
        self.input.push(byte);
    }

    fn restart_on_any(&mut self) {
        if self.screen.is_stopped() && self.mode(InputModes::IXON) && self.mode(InputModes::IXANY) {
            self.restart();
        }
    }

    /// Lets output go on after a stop character.
    fn restart(&mut self) {
        self.screen.set_stopped(false);
        self.screen.flush_echo(&self.termios);
    }
}
