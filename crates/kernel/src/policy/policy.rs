//! A compiled policy.

use super::denied::Denied;
use super::explain::{Explanation, InvalidQuery};
use super::operation::{Operation, Scope};
use super::parse::InvalidPolicy;
use super::target::NetworkTarget;
use serde_json::Value;

/// What the guests and clients of a VM may do. Immutable; share it as `Arc<Policy>`.
#[derive(Debug, Clone)]
pub struct Policy {
    open: u8,
}

impl Policy {
    /// The profile `default`: everything, on the network public addresses only (the egress guard sees to that).
    pub fn baseline() -> Self {
        Self {
            open: Scope::ALL.iter().fold(0, |bits, scope| bits | scope.bit()),
        }
    }

    /// The profile `locked`: as [`baseline`](Self::baseline), and no connection, datagram, lookup or listener.
    pub fn locked() -> Self {
        let mut policy = Self::baseline();
        policy.open &= !Scope::Network.bit();
        policy
    }

    /// Checks and compiles a configuration: `"default"`, `"locked"`, or an object.
    pub fn from_json(config: &Value) -> Result<Self, InvalidPolicy> {
        match config.as_str() {
            Some("default") => Ok(Self::baseline()),
            Some("locked") => Ok(Self::locked()),
            _ => Err(InvalidPolicy::default()),
        }
    }

    /// Whether the scope is plainly allowed, so that callers need not even compute the resource.
    #[inline]
    pub fn is_open(&self, scope: Scope) -> bool {
        self.open & scope.bit() != 0
    }

    /// Whether the operation is allowed whatever the resource; rules that cannot deny it do not count.
    #[inline]
    pub fn always_allows(&self, operation: Operation) -> bool {
        self.is_open(operation.scope())
    }

    /// Decides about one resource. `resource` is the real path, variable name, `kit:tool`, or `scheme://host:port`.
    pub fn check(&self, operation: Operation, resource: &[u8]) -> Result<(), Denied> {
        if self.is_open(operation.scope()) {
            return Ok(());
        }
        Err(Denied::new(operation, resource, "profile:locked"))
    }

    /// Decides about a destination, a lookup or a listener.
    pub fn check_network(&self, operation: Operation, _target: &NetworkTarget<'_>) -> Result<(), Denied> {
        if self.is_open(operation.scope()) {
            return Ok(());
        }
        Err(Denied::new(operation, *b"", "profile:locked"))
    }

    /// Says how a request would be decided, and by what. No side effects.
    pub fn explain(&self, _scope: &str, _operation: &str, _resources: &[&str]) -> Result<Explanation, InvalidQuery> {
        Err(InvalidQuery(String::new()))
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::baseline()
    }
}
