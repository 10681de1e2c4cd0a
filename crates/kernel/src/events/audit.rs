//! The audit trail: what is recorded, with the fields of security.md section 8.

use super::text::Text;
use crate::clock::Timestamp;
use crate::error::LimitExceeded;
use crate::id::Pid;
use serde_json::{Value, json};
use std::net::IpAddr;

/// One entry of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEvent {
    /// When it happened; for several, the last of them.
    pub time: Timestamp,
    /// How many equal events this stands for.
    pub count: u64,
    /// What happened.
    pub kind: AuditKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuditKind {
    /// `security.permission.denied`: the permission policy refused an operation.
    PermissionDenied {
        /// `fs`, `network`, `childProcess`, `process`, `env` or `tool`.
        scope: &'static str,
        /// Operation within the scope.
        operation: &'static str,
        /// What was asked for.
        resource: Text,
        /// Configuration path of the rule that decided.
        rule: Text,
        /// Process that asked; none for the host's clients.
        pid: Option<Pid>,
    },
    /// `security.egress.denied`: the network guard refused an address that no policy can permit.
    EgressDenied {
        /// `tcp`, `udp` or `dns`.
        protocol: &'static str,
        /// Host as the guest named it.
        host: Text,
        /// Port.
        port: u16,
        /// The address that was refused.
        address: Option<IpAddr>,
        /// What the range is for.
        label: &'static str,
        /// The range, as `address/length`.
        range: Text,
    },
    /// `security.mount.mounted`.
    Mounted {
        /// Guest path.
        path: Text,
        /// Kind of filesystem.
        backend: Text,
        /// Whether it can be written.
        read_only: bool,
    },
    /// `security.mount.unmounted`.
    Unmounted {
        /// Guest path.
        path: Text,
    },
    /// `security.limit.exceeded`: an operation was refused because of a limit.
    LimitExceeded {
        /// The limit, with the value that was refused.
        limit: LimitExceeded,
        /// Process that asked; none for the host's clients.
        pid: Option<Pid>,
    },
    /// `security.process.killed`: a process was ended because of a limit.
    ProcessKilled {
        /// The limit, with the value that it reached.
        limit: LimitExceeded,
        /// The process.
        pid: Pid,
    },
    /// `security.vm.created`.
    VmCreated,
    /// `security.vm.destroyed`.
    VmDestroyed,
}

impl AuditKind {
    /// The name of the event, for example `security.permission.denied`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PermissionDenied { .. } => "security.permission.denied",
            Self::EgressDenied { .. } => "security.egress.denied",
            Self::Mounted { .. } => "security.mount.mounted",
            Self::Unmounted { .. } => "security.mount.unmounted",
            Self::LimitExceeded { .. } => "security.limit.exceeded",
            Self::ProcessKilled { .. } => "security.process.killed",
            Self::VmCreated => "security.vm.created",
            Self::VmDestroyed => "security.vm.destroyed",
        }
    }

    /// What makes two events equal: everything but who did it and by how much, which a guest varies at will.
    pub(super) fn essence(&self) -> Self {
        let mut essence = self.clone();
        match &mut essence {
            Self::PermissionDenied { pid, .. } => *pid = None,
            Self::LimitExceeded { limit, pid } => {
                limit.observed = 0;
                *pid = None;
            }
            Self::ProcessKilled { limit, pid } => {
                limit.observed = 0;
                *pid = Pid(0);
            }
            _ => {}
        }
        essence
    }

    /// The fields of this kind, as JSON.
    fn fields(&self) -> Value {
        let number = |pid: &Option<Pid>| pid.map(|pid| pid.0);
        match self {
            Self::PermissionDenied {
                scope,
                operation,
                resource,
                rule,
                pid,
            } => json!({
                "scope": scope, "operation": operation, "resource": resource.as_str(), "rule": rule.as_str(), "pid": number(pid),
            }),
            Self::EgressDenied {
                protocol,
                host,
                port,
                address,
                label,
                range,
            } => json!({
                "protocol": protocol, "host": host.as_str(), "port": port, "address": address.map(|address| address.to_string()),
                "label": label, "range": range.as_str(),
            }),
            Self::Mounted {
                path,
                backend,
                read_only,
            } => json!({ "path": path.as_str(), "backend": backend.as_str(), "readOnly": read_only }),
            Self::Unmounted { path } => json!({ "path": path.as_str() }),
            Self::LimitExceeded { limit, pid } => json!({
                "limit": limit.limit, "observed": limit.observed, "capacity": limit.capacity, "pid": number(pid),
            }),
            Self::ProcessKilled { limit, pid } => json!({
                "limit": limit.limit, "observed": limit.observed, "capacity": limit.capacity, "pid": pid.0,
            }),
            Self::VmCreated | Self::VmDestroyed => json!({}),
        }
    }
}

impl AuditEvent {
    /// One line of an audit log: `time` in ms since the Unix epoch, `event`, `count` if it stands for several, and the fields of
    /// the kind.
    pub fn to_json(&self) -> Value {
        let mut value = self.kind.fields();
        if let Value::Object(fields) = &mut value {
            fields.insert("time".to_owned(), json!(self.time.0 / 1_000_000));
            fields.insert("event".to_owned(), json!(self.kind.name()));
            if self.count > 1 {
                fields.insert("count".to_owned(), json!(self.count));
            }
        }
        value
    }
}
