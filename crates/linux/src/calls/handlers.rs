//! Handlers of signals.
//!
//! A call that the supervisor answers begins with a wait of the guest until the supervisor takes it, and a signal that comes in that
//! moment ends the wait. With `SA_RESTART` the host then begins the call again; without it `fork`, `stat` or `open` of a file fail
//! with `EINTR`, which no program expects of them. The host itself sends one signal at moments that have to do with what a
//! shell does next: `SIGCHLD`. So a handler of it always has `SA_RESTART`, which the guest can see in what it asks for afterwards. The price
//! is that the end of a child does not interrupt a `read` either; what never begins again (`poll`, `pause`, `sleep`) is as it was.

use super::{Call, Outcome};
use crate::sys::{self, Answer};

/// The host does it: what a timer sends is known only from looking (`vm/rouse.rs`).
pub(crate) fn timer(call: &mut Call<'_>) -> Outcome {
    call.vm.has_timer(call.key);
    Ok(Answer::Continue)
}

/// Where the flags are in the host's `struct sigaction`, behind the handler.
const FLAGS: u64 = 8;
const RESTARTS: u64 = 0x1000_0000;

/// The host does it. What the guest may change of its own memory meanwhile is a handler of its own, which is nobody else's business.
pub(crate) fn set(call: &mut Call<'_>) -> Outcome {
    let at = call.arg(1).wrapping_add(FLAGS);
    // Where this cannot be read or written the host says what is wrong with it, or the handler stays as the guest wants it.
    if let Ok(flags) = call.read_word(at)
        && flags & RESTARTS == 0
    {
        let _ = sys::write_memory(call.n.tid, at, &(flags | RESTARTS).to_le_bytes());
    }
    call.confirm()?;
    Ok(Answer::Continue)
}
