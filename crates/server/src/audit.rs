//! The audit trail of a VM (security.md section 8): one JSON line for each entry, in the log under the target `audit`, and to
//! the application's hook.

use crate::hooks::Hooks;
use agentos::AuditEvent;
use agentos_actor::ActorContext;
use serde_json::{Value, json};

/// Where the entries of one VM go, and what is known about all of them.
pub(crate) struct AuditTrail {
    vm: String,
    actor_id: String,
    /// The same for all entries of one boot, with which its other log records can be found.
    correlation_id: String,
    hooks: Hooks,
}

impl AuditTrail {
    pub(crate) fn new(ctx: &ActorContext, hooks: Hooks) -> Self {
        let correlation_id = correlation_id();
        tracing::info!(vm = %ctx.name(), actor = %ctx.actor_id(), correlation_id, "booting");
        Self {
            vm: ctx.name().to_owned(),
            actor_id: ctx.actor_id().to_string(),
            correlation_id,
            hooks,
        }
    }

    /// Takes an entry. What guests chose in it is escaped and cut already.
    pub(crate) fn record(&self, entry: &AuditEvent) {
        let mut line = entry.to_json();
        if let Value::Object(fields) = &mut line {
            fields.insert("vm".to_owned(), json!(self.vm));
            fields.insert("actorId".to_owned(), json!(self.actor_id));
            fields.insert("correlationId".to_owned(), json!(self.correlation_id));
        }
        tracing::info!(target: "audit", correlation_id = self.correlation_id, "{line}");
        self.hooks.on_audit_event(&line);
    }
}

/// 128 random bits of the operating system as 32 hexadecimal digits.
pub(crate) fn correlation_id() -> String {
    let mut bytes = [0; 16];
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(n) => filled += n,
            Err(rustix::io::Errno::INTR) => {}
            // The generator does not fail once it is seeded; what is guessable must not pass for random.
            Err(error) => unreachable!("getrandom: {error}"),
        }
    }
    format!("{:032x}", u128::from_le_bytes(bytes))
}
