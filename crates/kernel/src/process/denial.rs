//! Why something was refused, for programs that want to say more than `EACCES`.

use super::process::Process;
use crate::error::{Error, Result};
use crate::policy::{Denied, Operation};

/// Longest text that is kept, in bytes.
const TEXT_MAX: usize = 1024;

impl Process {
    /// Keeps the reason of an error, if a policy or a guard gave one, as the process's last denial. Executors call it with
    /// every error that they hand to the guest.
    pub fn note_denial(&self, error: &Error) {
        if let Some(mut text) = error.denial() {
            let end = (0..=TEXT_MAX.min(text.len()))
                .rev()
                .find(|end| text.is_char_boundary(*end));
            text.truncate(end.unwrap_or(0));
            *self.last_denial.lock() = Some(text.into());
        }
    }

    /// Whether the process may call a host tool, which the policy knows as `kit:tool`.
    ///
    /// # Errors
    /// [`Error::Denied`]; the refusal is recorded.
    pub fn may_invoke(&self, tool: &str) -> Result<()> {
        self.within_tier(Operation::Invoke, tool.as_bytes())?;
        let kernel = self.kernel();
        kernel.guard.check(Operation::Invoke, tool.as_bytes(), self.pid())
    }

    /// Whether the process may start programs at all.
    pub(super) fn may_start(&self, program: &[u8]) -> Result<()> {
        self.within_tier(Operation::Spawn, program)
    }

    /// Whether the tier of its program leaves an operation to the policy, which is asked besides.
    pub(super) fn within_tier(&self, operation: Operation, resource: &[u8]) -> Result<()> {
        let tier = self.image().tier;
        match tier.allows(operation) {
            true => Ok(()),
            false => {
                let denied = Denied::new(operation, resource, tier.rule());
                Err(self.kernel().guard.refuse(denied, self.pid()))
            }
        }
    }

    /// Why the last refused call of the process was refused; empty if none was.
    pub fn last_denial(&self) -> String {
        self.last_denial.lock().as_deref().unwrap_or_default().to_owned()
    }
}
