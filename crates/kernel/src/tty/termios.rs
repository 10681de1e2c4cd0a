//! Terminal attributes (`termios(3)`), with Linux's bits and the order of its control characters.
//!
//! Unknown bits are kept and reported back, as Linux does, so that save and restore are exact.

bitflags::bitflags! {
    /// Input modes, `c_iflag`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct InputModes: u32 {
        /// Ignore breaks. A pseudo-terminal has none.
        const IGNBRK = 0o1;
        /// Interrupt on break.
        const BRKINT = 0o2;
        /// Ignore parity errors.
        const IGNPAR = 0o4;
        /// Mark errors with `\377 \0`; a plain `\377` is doubled.
        const PARMRK = 0o10;
        /// Check parity.
        const INPCK = 0o20;
        /// Strip the eighth bit.
        const ISTRIP = 0o40;
        /// Newline becomes carriage return.
        const INLCR = 0o100;
        /// Ignore carriage return.
        const IGNCR = 0o200;
        /// Carriage return becomes newline.
        const ICRNL = 0o400;
        /// Upper case becomes lower case (with `IEXTEN`).
        const IUCLC = 0o1000;
        /// `VSTOP` and `VSTART` stop and start output.
        const IXON = 0o2000;
        /// Any character starts stopped output.
        const IXANY = 0o4000;
        /// Send stop and start characters to the sender. Accepted; the buffer's back-pressure does its work.
        const IXOFF = 0o10000;
        /// Ring the bell on a full queue. Accepted, without effect, as in Linux.
        const IMAXBEL = 0o20000;
        /// Input is UTF-8: erasing takes whole characters.
        const IUTF8 = 0o40000;
        const _ = !0;
    }

    /// Output modes, `c_oflag`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct OutputModes: u32 {
        /// Process output at all.
        const OPOST = 0o1;
        /// Lower case becomes upper case.
        const OLCUC = 0o2;
        /// Newline becomes carriage return and newline.
        const ONLCR = 0o4;
        /// Carriage return becomes newline.
        const OCRNL = 0o10;
        /// No carriage return at column 0.
        const ONOCR = 0o20;
        /// Newline does the carriage return's work.
        const ONLRET = 0o40;
        /// Tabs become spaces (both bits of the tab delay).
        const XTABS = 0o14000;
        const _ = !0;
    }

    /// Local modes, `c_lflag`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct LocalModes: u32 {
        /// `VINTR`, `VQUIT` and `VSUSP` send signals.
        const ISIG = 0o1;
        /// Input comes in edited lines.
        const ICANON = 0o2;
        /// Echo input.
        const ECHO = 0o10;
        /// Erasing removes the character from the screen.
        const ECHOE = 0o20;
        /// `VKILL` is followed by a newline.
        const ECHOK = 0o40;
        /// Echo newlines even without `ECHO`.
        const ECHONL = 0o100;
        /// Signals do not flush the queues.
        const NOFLSH = 0o200;
        /// Background writes raise `SIGTTOU`.
        const TOSTOP = 0o400;
        /// Echo control characters as `^X`.
        const ECHOCTL = 0o1000;
        /// Print characters as they are erased.
        const ECHOPRT = 0o2000;
        /// `VKILL` erases each character.
        const ECHOKE = 0o4000;
        /// Linux's and BSD's further editing characters.
        const IEXTEN = 0o100000;
        const _ = !0;
    }
}

/// A control character by its place in `c_cc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(usize)]
pub enum Control {
    /// Interrupt.
    Intr = 0,
    /// Quit.
    Quit = 1,
    /// Erase one character.
    Erase = 2,
    /// Erase the line.
    Kill = 3,
    /// End of file.
    Eof = 4,
    /// Read timer in tenths of a second.
    Time = 5,
    /// Fewest bytes of a raw read.
    Min = 6,
    /// Start output.
    Start = 8,
    /// Stop output.
    Stop = 9,
    /// Suspend.
    Susp = 10,
    /// A further end of line.
    Eol = 11,
    /// Show the line again.
    Reprint = 12,
    /// Erase a word.
    Werase = 14,
    /// Take the next character as it is.
    Lnext = 15,
    /// One more end of line.
    Eol2 = 16,
}

/// Number of control characters.
pub const CONTROLS: usize = 20;

/// The attributes of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Termios {
    /// Input modes.
    pub input: InputModes,
    /// Output modes.
    pub output: OutputModes,
    /// Control modes, kept but without effect on a pseudo-terminal.
    pub control: u32,
    /// Local modes.
    pub local: LocalModes,
    /// Control characters in Linux's order; 0 disables one.
    pub chars: [u8; CONTROLS],
    /// Input speed in bits per second, kept only.
    pub input_speed: u32,
    /// Output speed in bits per second, kept only.
    pub output_speed: u32,
}

impl Termios {
    /// The character in place `which`.
    pub fn char(&self, which: Control) -> u8 {
        // Every place is below `CONTROLS`.
        self.chars[which as usize]
    }

    /// Sets the character in place `which`.
    pub fn set_char(&mut self, which: Control, value: u8) {
        self.chars[which as usize] = value;
    }

    /// What `cfmakeraw(3)` leaves: bytes pass untouched, one at a time.
    #[must_use]
    pub fn raw(mut self) -> Self {
        self.input -= InputModes::IGNBRK
            | InputModes::BRKINT
            | InputModes::PARMRK
            | InputModes::ISTRIP
            | InputModes::INLCR
            | InputModes::IGNCR
            | InputModes::ICRNL
            | InputModes::IXON;
        self.output -= OutputModes::OPOST;
        self.local -=
            LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN;
        self.set_char(Control::Min, 1);
        self.set_char(Control::Time, 0);
        self
    }

    pub(super) fn canonical(&self) -> bool {
        self.local.contains(LocalModes::ICANON)
    }

    /// Whether `byte` is the (enabled) character in place `which`.
    pub(super) fn is(&self, which: Control, byte: u8) -> bool {
        byte != 0 && self.char(which) == byte
    }
}

impl Default for Termios {
    /// What a fresh pseudo-terminal has in Linux, `stty sane` plus UTF-8 editing left off: 38400 baud, 8 bits, canonical, echo,
    /// signals.
    fn default() -> Self {
        let mut chars = [0; CONTROLS];
        let defaults = [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22];
        chars[..defaults.len()].copy_from_slice(&defaults);
        Self {
            input: InputModes::ICRNL | InputModes::IXON,
            output: OutputModes::OPOST | OutputModes::ONLCR,
            control: 0o277,
            local: LocalModes::ISIG
                | LocalModes::ICANON
                | LocalModes::ECHO
                | LocalModes::ECHOE
                | LocalModes::ECHOK
                | LocalModes::ECHOCTL
                | LocalModes::ECHOKE
                | LocalModes::IEXTEN,
            chars,
            input_speed: 38_400,
            output_speed: 38_400,
        }
    }
}

/// When new attributes take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At once.
    Now,
    /// After output was sent. A pseudo-terminal's output counts as sent when it is queued, as in Linux.
    Drain,
    /// As `Drain`, and unread input is thrown away.
    Flush,
}

/// Which queue to throw away (`tcflush(3)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// Received and not read.
    Input,
    /// Written and not yet taken by the master.
    Output,
    /// Both.
    Both,
}

/// Size of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WindowSize {
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
    /// Pixels across.
    pub width: u16,
    /// Pixels down.
    pub height: u16,
}
