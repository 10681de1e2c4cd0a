//! Signals: Linux x86-64 numbers, masks with bit n-1 for signal n.

use crate::record::record;

record! {
    /// A taken signal.
    pub struct Siginfo {
        /// Signal number.
        pub signo: u32,
        /// `si_code`.
        pub code: i32,
        /// Sender.
        pub pid: u32,
        /// Sender's user.
        pub uid: u32,
        /// Exit status or signal for SIGCHLD.
        pub status: i32,
        /// Zero.
        pub reserved: u32,
        /// `sigqueue` value.
        pub value: u64,
    }
}

/// `sig_mask`: block the set.
pub const SIG_BLOCK: u32 = 0;
/// Unblock the set.
pub const SIG_UNBLOCK: u32 = 1;
/// Replace the mask.
pub const SIG_SETMASK: u32 = 2;

/// `sig_disposition`: default action.
pub const DISP_DEFAULT: u32 = 0;
/// Ignore.
pub const DISP_IGNORE: u32 = 1;
/// Queue for `sig_take`.
pub const DISP_CATCH: u32 = 2;
/// Only report the present disposition.
pub const DISP_QUERY: u32 = 3;
