//! What is kept and reported of a VM's traffic: counters and refusals.

use crate::counters::{Counters, count};
use crate::denial::Denial;
use crate::passage::Target;
use agentos_kernel::events::{Audit, AuditKind};
use agentos_kernel::id::Pid;
use agentos_kernel::policy::Denied;
use agentos_kernel::{Errno, Error, LimitExceeded};
use core::time::Duration;
use std::sync::{Arc, OnceLock};

/// Counters and the audit trail of one VM.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) counters: Counters,
    pub(crate) audit: OnceLock<Arc<Audit>>,
}

impl Ledger {
    /// The guard refused: counts, reports, and gives the guest's error.
    pub(crate) fn refused(&self, denial: &Denial) -> Error {
        count(&self.counters.denied);
        if let Some(audit) = self.audit.get() {
            let verdict = &denial.verdict;
            audit.record(AuditKind::EgressDenied {
                protocol: denial.access.scheme(),
                host: (&*denial.host).into(),
                port: denial.port,
                address: Some(verdict.address),
                label: verdict.label,
                range: verdict.range.map(|range| range.to_string()).unwrap_or_default().into(),
            });
        }
        Error::refused(denial.to_string())
    }

    /// What stands between guest and network refused a target that guard and policy admit; `label` says what it was.
    pub(crate) fn vetoed(&self, label: &'static str, protocol: &'static str, target: &Target, reason: &str) -> Error {
        count(&self.counters.denied);
        let address = target.address;
        if let Some(audit) = self.audit.get() {
            let name = target.names.first();
            audit.record(AuditKind::EgressDenied {
                protocol,
                host: name
                    .map_or_else(|| address.ip().to_string(), ToString::to_string)
                    .into(),
                port: address.port(),
                address: Some(address.ip()),
                label,
                range: reason.into(),
            });
        }
        Error::refused(format!(
            "EACCES: blocked outbound network access to {protocol}://{address}: denied by the egress {label}: {reason}"
        ))
    }

    /// A limit was reached on behalf of `pid`. Only for what no call of the guest returns as a limit: such a one is reported where
    /// it leaves the kernel.
    pub(crate) fn exceeded(&self, breach: &LimitExceeded, pid: Pid) {
        if let Some(audit) = self.audit.get() {
            audit.limit_exceeded(breach, Some(pid));
        }
    }

    /// What the guest gets for an error that came up in the background: a limit is reported here and becomes its number, for
    /// `SO_ERROR` and every further call show it again.
    pub(crate) fn settled(&self, error: Error, pid: Pid) -> Error {
        match error.limit() {
            None => error,
            Some(breach) => {
                self.exceeded(breach, pid);
                breach.errno.into()
            }
        }
    }

    /// The policy refused.
    pub(crate) fn denied(&self, denied: Denied, pid: Pid) -> Error {
        count(&self.counters.denied);
        if let Some(audit) = self.audit.get() {
            audit.record(AuditKind::PermissionDenied {
                scope: denied.operation.scope().name(),
                operation: denied.operation.name(),
                resource: (&*denied.resource).into(),
                rule: (&*denied.rule).into(),
                pid: Some(pid),
            });
        }
        Error::from(denied)
    }
}

/// A connection was not there in time.
pub(crate) fn connect_timeout(cap: Duration) -> LimitExceeded {
    too_slow("limits.network.connectTimeoutMs", cap, "connect", Errno::ETIMEDOUT)
}

/// No name server answered in time.
pub(crate) fn dns_timeout(cap: Duration) -> LimitExceeded {
    too_slow("limits.network.dnsTimeoutMs", cap, "resolve", Errno::EAGAIN)
}

/// A greeting or handshake was not done in time.
pub(crate) fn handshake_timeout(cap: Duration) -> LimitExceeded {
    too_slow("limits.tls.handshakeTimeoutMs", cap, "handshake", Errno::ETIMEDOUT)
}

fn too_slow(path: &'static str, cap: Duration, operation: &'static str, errno: Errno) -> LimitExceeded {
    let ms = u64::try_from(cap.as_millis()).unwrap_or(u64::MAX);
    LimitExceeded::new(path, "ms", ms, ms, operation, errno)
}
