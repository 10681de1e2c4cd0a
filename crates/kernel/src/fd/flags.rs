//! How a description was opened, and how its offset moves.

bitflags::bitflags! {
    /// Ways in which a description may be used (`O_ACCMODE`); none of them is `O_PATH`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct AccessMode: u8 {
        /// Reading, and listing of directories.
        const READ = 1;
        /// Writing and changing the size.
        const WRITE = 2;
        /// Both.
        const READ_WRITE = 3;
    }

    /// Status flags, shared by all descriptors of a description and changeable (`F_SETFL`), with Linux's numbers.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct StatusFlags: u32 {
        /// Every write goes to the end of the file.
        const APPEND = 0o2_000;
        /// Calls that would wait fail with `EAGAIN`.
        const NONBLOCK = 0o4_000;
        /// Written bytes are durable when the call returns.
        const DSYNC = 0o10_000;
        /// So are the attributes (Linux's `O_SYNC` holds the bit of `O_DSYNC`).
        const SYNC = 0o4_010_000;
    }
}

/// Where to set an offset (`lseek(2)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeekFrom {
    /// From the start.
    Start(u64),
    /// From the present offset.
    Current(i64),
    /// From the end.
    End(i64),
    /// To the first data at or after an offset.
    Data(u64),
    /// To the first hole at or after an offset; the end of the file is one.
    Hole(u64),
}
