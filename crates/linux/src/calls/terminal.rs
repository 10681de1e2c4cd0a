//! Terminals.

use super::{Call, Fail, Outcome};

/// Guests have no terminals yet: every descriptor of theirs is something else.
pub(crate) fn ioctl(call: &mut Call<'_>) -> Outcome {
    call.vm.host_stat(call.key, call.int(0))?;
    Err(Fail(libc::ENOTTY))
}
