//! The one place where the kernel asks the permission policy.
//!
//! ```text
//!   vfs/rules.rs          fs            by real path, for guests and clients alike
//!   process/program.rs    childProcess  program and interpreter, each by itself
//!   process/observe.rs    process       inspect and signal
//!   guard/environment.rs  env           what a new program is handed
//!            \______________ Guard::check ______________ Policy::check
//!                                 |
//!                                 +--- audit: security.permission.denied
//! ```
//!
//! Invariants:
//!
//! * A refusal is an [`Error::Denied`](crate::Error::Denied), which a guest sees as `EACCES`, and is recorded, each time.
//! * Where a scope is plainly open nothing is computed: callers ask [`Guard::is_open`] first.
//! * Executors have no part in this: they reach files, programs and processes through the kernel only.

mod environment;

pub(crate) use environment::Handed;

use crate::error::{Error, Result};
use crate::events::{Audit, AuditKind, Text};
use crate::id::Pid;
use crate::policy::{Denied, Operation, Policy, Scope};
use std::sync::Arc;

/// The policy of a VM, and where its refusals are recorded.
#[derive(Debug)]
pub(crate) struct Guard {
    policy: Arc<Policy>,
    audit: Arc<Audit>,
}

impl Guard {
    pub(crate) fn new(policy: Arc<Policy>, audit: &Arc<Audit>) -> Arc<Self> {
        let audit = Arc::clone(audit);
        Arc::new(Self { policy, audit })
    }

    /// The policy.
    pub(crate) fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Whether a scope is plainly allowed.
    pub(crate) fn is_open(&self, scope: Scope) -> bool {
        self.policy.is_open(scope)
    }

    /// Whether an operation is allowed, without a trace. For questions that are no attempt.
    pub(crate) fn allows(&self, operation: Operation, resource: &[u8]) -> bool {
        self.policy.always_allows(operation) || self.policy.check(operation, resource).is_ok()
    }

    /// Allows an operation of process `pid` (0: of a client), or refuses it.
    ///
    /// # Errors
    /// [`Error::Denied`].
    pub(crate) fn check(&self, operation: Operation, resource: &[u8], pid: Pid) -> Result<()> {
        if self.policy.always_allows(operation) {
            return Ok(());
        }
        match self.policy.check(operation, resource) {
            Ok(()) => Ok(()),
            Err(denied) => Err(self.refuse(denied, pid)),
        }
    }

    /// Records a refusal. May be called under any lock.
    pub(crate) fn refuse(&self, denied: Denied, pid: Pid) -> Error {
        self.audit.record(AuditKind::PermissionDenied {
            scope: denied.operation.scope().name(),
            operation: denied.operation.name(),
            resource: Text::new(&denied.resource),
            rule: Text::from(&*denied.rule),
            pid: (pid.0 > Pid::INIT.0).then_some(pid),
        });
        denied.into()
    }
}
