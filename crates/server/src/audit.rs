//! The audit trail of a VM (security.md section 8): one JSON line for each entry, in the log under the target `audit`, and to
//! the application's hook.
//!
//! A VM is created when its first connection is accepted and destroyed by `destroyVm`; the actor runtime says so
//! (`security.vm.created`, `.destroyed`). In between it boots and sleeps many times: `security.vm.booted`, `.slept`, and
//! `.failed` when it ends without having been told to.

use crate::hooks::Hooks;
use agentos::AuditEvent;
use agentos_actor::{ActorContext, Clock};
use agentos_store::Error;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;

/// Where the entries of one boot of a VM go, and what is known about all of them.
pub(crate) struct AuditTrail {
    vm: String,
    key: String,
    actor_id: String,
    /// The same for all entries of one boot, with which its other log records can be found.
    correlation_id: String,
    hooks: Hooks,
    clock: Arc<dyn Clock>,
    failures: Mutex<Failures>,
}

/// Failures of the storage that were told last. A commit that fails is tried again twice a second.
#[derive(Default)]
struct Failures {
    code: &'static str,
    told_ms: i64,
    untold: u64,
}

/// Between two entries about the same failure of the storage, in ms.
const TELL_AGAIN_MS: i64 = 10_000;

impl AuditTrail {
    pub(crate) fn new(ctx: &ActorContext, hooks: Hooks) -> Self {
        let correlation_id = correlation_id();
        tracing::info!(vm = %ctx.name(), actor = %ctx.actor_id(), correlation_id, "booting");
        Self {
            vm: ctx.name().to_owned(),
            key: ctx.key().to_string(),
            actor_id: ctx.actor_id().to_string(),
            correlation_id,
            hooks,
            clock: Arc::clone(ctx.clock()),
            failures: Mutex::default(),
        }
    }

    /// Takes an entry. What guests chose in it is escaped and cut already.
    pub(crate) fn record(&self, entry: &AuditEvent) {
        self.write(entry.to_json());
    }

    /// Says that the VM boots, sleeps or fails.
    pub(crate) fn life(&self, event: &'static str) {
        self.write(json!({ "time": self.clock.now_ms(), "event": event, "key": self.key }));
    }

    /// Says that the storage failed (`security.storage.failed`): at once for each kind of failure, and every ten seconds while
    /// it goes on. The text of the error names files of the host; it goes to the log alone.
    pub(crate) fn storage_failed(&self, error: &Error) {
        let (code, now) = (error.code(), self.clock.now_ms());
        let count = {
            let mut failures = self.failures.lock();
            if failures.code == code && now.saturating_sub(failures.told_ms) < TELL_AGAIN_MS {
                failures.untold += 1;
                return;
            }
            let count = if failures.code == code { failures.untold + 1 } else { 1 };
            *failures = Failures {
                code,
                told_ms: now,
                untold: 0,
            };
            count
        };
        let (actor, correlation_id) = (&self.actor_id, &self.correlation_id);
        tracing::error!(actor, correlation_id, code, count, %error, "the files of a VM could not be stored");
        let mut entry = json!({ "time": now, "event": "security.storage.failed", "code": code });
        if let (Value::Object(fields), true) = (&mut entry, count > 1) {
            fields.insert("count".to_owned(), json!(count));
        }
        self.write(entry);
    }

    fn write(&self, mut line: Value) {
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
