//! Terminals: Linux's `struct termios` numbers, so that libc tables can be shared.

use crate::record::record;

record! {
    /// Terminal attributes, bits as in Linux `termios(3)`.
    pub struct Termios {
        /// Input modes.
        pub iflag: u32,
        /// Output modes.
        pub oflag: u32,
        /// Control modes.
        pub cflag: u32,
        /// Local modes.
        pub lflag: u32,
        /// Control characters in Linux order (VINTR 0, VQUIT 1, VERASE 2, VKILL 3, VEOF 4, VTIME 5, VMIN 6, ...).
        pub cc: [u8; 20],
        /// Input speed.
        pub ispeed: u32,
        /// Output speed.
        pub ospeed: u32,
    }
}

record! {
    /// Window size.
    pub struct Winsize {
        /// Rows.
        pub rows: u16,
        /// Columns.
        pub cols: u16,
        /// Pixels across.
        pub xpixel: u16,
        /// Pixels down.
        pub ypixel: u16,
    }
}

/// `tty_set`: at once.
pub const TCSANOW: u32 = 0;
/// After output drained.
pub const TCSADRAIN: u32 = 1;
/// After output drained, discarding input.
pub const TCSAFLUSH: u32 = 2;
