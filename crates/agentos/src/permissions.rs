//! The policy of a VM as the SDK takes it and answers about it.
//!
//! The kernel decides by the policy; the egress guard decides by the address, whatever the policy says. An explanation
//! holds both, because a request has to pass both.

use crate::builder::Options;
use crate::error::{Error, Result};
use crate::vm::Vm;
use agentos_kernel::policy::{self, Host, InvalidPolicy, Policy, Scope};
use agentos_net::{Guard, GuardConfig, Reach, Verdict};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

/// A policy, or a configuration that is checked when the VM is created.
#[derive(Debug, Clone)]
pub struct PolicyInput(pub(crate) Result<Arc<Policy>, InvalidPolicy>);

/// What guests and clients of a VM may do.
#[derive(Clone)]
pub struct Permissions {
    policy: Arc<Policy>,
    guard: Arc<Guard>,
    exempt_ports: Arc<[u16]>,
}

/// How a request would be decided, by the policy and by the egress guard.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The policy's decision.
    pub policy: policy::Explanation,
    /// The guard's decision, where the request is an outgoing one to a literal address.
    pub guard: Option<GuardExplanation>,
}

/// What the egress guard says of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GuardExplanation {
    /// Whether it lets requests to the address pass. Of the VM's own loopback it only knows the exempt ports: a listener of
    /// the VM is reachable in addition.
    pub allowed: bool,
    /// The address that was judged.
    pub address: IpAddr,
    /// The range that decided, for example `10.0.0.0/8`.
    pub range: Option<String>,
    /// What that range is: `private`, `loopback`, `metadata`, ...
    pub label: Option<&'static str>,
}

impl Permissions {
    /// A policy outside of a VM.
    pub fn new(policy: impl Into<PolicyInput>) -> Result<Self> {
        let policy = policy.into().0?;
        Ok(Self {
            guard: Arc::new(Guard::new(GuardConfig::new(Arc::clone(&policy)))),
            policy,
            exempt_ports: Arc::default(),
        })
    }

    /// The policy that a VM with these options would have.
    pub(crate) fn planned(options: &Options) -> Self {
        let policy = Arc::clone(&options.policy);
        Self {
            guard: Arc::new(Guard::new(options.network.guard(Arc::clone(&policy), &options.limits))),
            policy,
            exempt_ports: options.network.exempt_ports(),
        }
    }

    /// The policy of a VM.
    pub(crate) fn of(vm: &Vm) -> Self {
        Self {
            policy: Arc::clone(&vm.options.policy),
            guard: Arc::clone(&vm.guard),
            exempt_ports: vm.options.network.exempt_ports(),
        }
    }

    /// The same with ports of the host's loopback that guests may reach if the policy allows it.
    #[must_use]
    pub fn with_exempt_ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.exempt_ports = ports.into_iter().collect();
        self
    }

    /// Says how a request would be decided, and by what. Resolves nothing and has no side effects.
    ///
    /// ```
    /// # fn main() -> Result<(), agentos::Error> {
    /// let permissions = agentos::Permissions::new(agentos::Policy::baseline())?;
    /// let explained = permissions.explain("network", "http", &["tcp://169.254.169.254:80"])?;
    /// assert!(explained.policy.allowed);
    /// assert_eq!(explained.guard.as_ref().and_then(|guard| guard.label), Some("metadata"));
    /// assert!(!explained.allowed());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] for an unknown scope or operation, and for a resource that cannot exist.
    pub fn explain(&self, scope: &str, operation: &str, resources: &[&str]) -> Result<Explanation> {
        let policy = self
            .policy
            .explain(scope, operation, resources)
            .map_err(Error::InvalidQuery)?;
        let outgoing = scope == Scope::Network.name() && matches!(operation, "http" | "fetch" | "udp");
        let guard = match outgoing {
            true => resources.iter().find_map(|resource| self.guard(resource)),
            false => None,
        };
        Ok(Explanation { policy, guard })
    }

    /// The guard's answer about a resource whose host is an address.
    fn guard(&self, resource: &str) -> Option<GuardExplanation> {
        let rest = resource.split_once("://").map_or(resource, |(_, rest)| rest);
        let (host, port) = rest.rsplit_once(':')?;
        let address = Host::parse(host).ok()?.address()?;
        let port: u16 = port.parse().ok()?;
        let verdict = self.guard.classify(address);
        let exempt = || is_single_loopback(address) && self.exempt_ports.contains(&port);
        Some(GuardExplanation::new(&verdict, exempt()))
    }
}

impl GuardExplanation {
    fn new(verdict: &Verdict, exempt: bool) -> Self {
        Self {
            allowed: match verdict.reach {
                Reach::Public => true,
                Reach::Loopback => exempt,
                Reach::Blocked => false,
            },
            address: verdict.address,
            range: verdict.range.map(|range| range.to_string()),
            label: Some(verdict.label).filter(|label| !label.is_empty()),
        }
    }
}

impl Explanation {
    /// Whether both let the request pass.
    pub fn allowed(&self) -> bool {
        self.policy.allowed && self.guard.as_ref().is_none_or(|guard| guard.allowed)
    }

    /// The documented JSON shape: `decision`, `rule`, `pattern`, `resource`, and `guard` with `decision`, `address`, `range`
    /// and `label`. Absent parts are left out.
    pub fn to_json(&self) -> Value {
        let mut value = self.policy.to_json();
        if let Some(guard) = &self.guard {
            let decision = if guard.allowed { "allow" } else { "deny" };
            value["guard"] = json!({ "decision": decision, "address": guard.address });
            if let Some(range) = &guard.range {
                value["guard"]["range"] = json!(range);
            }
            if let Some(label) = guard.label {
                value["guard"]["label"] = json!(label);
            }
        }
        value
    }
}

impl std::fmt::Debug for Permissions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            policy, exempt_ports, ..
        } = self;
        f.debug_struct("Permissions")
            .field("policy", policy)
            .field("exempt_ports", exempt_ports)
            .finish()
    }
}

impl Deref for Permissions {
    type Target = Policy;

    fn deref(&self) -> &Policy {
        &self.policy
    }
}

impl From<Policy> for PolicyInput {
    fn from(policy: Policy) -> Self {
        Self(Ok(Arc::new(policy)))
    }
}

impl From<Arc<Policy>> for PolicyInput {
    fn from(policy: Arc<Policy>) -> Self {
        Self(Ok(policy))
    }
}

impl From<&Value> for PolicyInput {
    fn from(config: &Value) -> Self {
        Self(Policy::from_json(config).map(Arc::new))
    }
}

impl From<Value> for PolicyInput {
    fn from(config: Value) -> Self {
        Self::from(&config)
    }
}

/// Exemptions reach these two addresses and no other of the loopback network.
fn is_single_loopback(address: IpAddr) -> bool {
    matches!(
        address,
        IpAddr::V4(std::net::Ipv4Addr::LOCALHOST) | IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(resource: &str) -> Value {
        let permissions = Permissions::new(Policy::baseline()).unwrap().with_exempt_ports([5432]);
        permissions.explain("network", "http", &[resource]).unwrap().to_json()
    }

    #[test]
    fn the_guard_answers_about_literal_addresses() {
        let private = explained("tcp://10.1.2.3:80");
        assert_eq!(private["decision"], "allow");
        let guard = json!({ "decision": "deny", "address": "10.1.2.3", "range": "10.0.0.0/8", "label": "private" });
        assert_eq!(private["guard"], guard);
        assert_eq!(
            explained("tcp://8.8.8.8:80")["guard"],
            json!({ "decision": "allow", "address": "8.8.8.8" })
        );
        assert!(explained("tcp://example.com:80").get("guard").is_none());
        assert_eq!(
            explained("tcp://[::ffff:169.254.169.254]:80")["guard"]["label"],
            "metadata"
        );
        assert_eq!(explained("tcp://0xa9fea9fe:80")["guard"]["label"], "metadata");
    }

    #[test]
    fn of_loopback_it_knows_the_exempt_ports() {
        assert_eq!(explained("tcp://127.0.0.1:5432")["guard"]["decision"], "allow");
        assert_eq!(explained("tcp://[::1]:5432")["guard"]["decision"], "allow");
        assert_eq!(explained("tcp://127.0.0.2:5432")["guard"]["decision"], "deny");
        assert_eq!(explained("tcp://127.0.0.1:80")["guard"]["decision"], "deny");
    }
}
