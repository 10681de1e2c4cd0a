//! A compiled policy.

use super::denied::Denied;
use super::invalid::{InvalidPolicy, Problems};
use super::network::Request;
use super::operation::{Operation, Scope};
use super::parse::{Config, Profile, ScopeConfig};
use super::rules::{Mode, RuleSet, Source, Verdict};
use super::target::NetworkTarget;
use serde_json::Value;
use std::sync::Arc;

/// What the guests and clients of a VM may do. Immutable; share it as `Arc<Policy>`.
///
/// The default is [`Policy::baseline`].
#[derive(Debug, Clone)]
pub struct Policy {
    /// Scopes that are plainly allowed, as bits.
    open: u8,
    /// Operations that no resource can make fail, as bits.
    free: u32,
    profile: Profile,
    scopes: [ScopePolicy; Scope::ALL.len()],
}

/// What is known about one scope.
#[derive(Debug, Clone)]
enum ScopePolicy {
    Profile(Mode),
    Plain(Mode),
    Rules(Arc<RuleSet>),
}

impl Policy {
    /// The profile `default`: everything; on the network public addresses only, because the egress guard always applies.
    pub fn baseline() -> Self {
        Self::profile(Profile::Default)
    }

    /// The profile `locked`: as [`baseline`](Self::baseline), and no connection, datagram, lookup or listener.
    pub fn locked() -> Self {
        Self::profile(Profile::Locked)
    }

    /// A profile without changes.
    pub fn profile(profile: Profile) -> Self {
        Self::assemble(profile, core::array::from_fn(|_| None))
    }

    /// Checks and compiles a configuration: `"default"`, `"locked"`, or an object.
    pub fn from_json(config: &Value) -> Result<Self, InvalidPolicy> {
        let config = Config::parse(config)?;
        let mut problems = Problems::default();
        let scopes = config
            .scopes
            .into_iter()
            .zip(Scope::ALL)
            .map(|(given, &scope)| match given? {
                ScopeConfig::Plain(mode) => Some(ScopePolicy::Plain(mode)),
                ScopeConfig::Rules { default, rules } => match RuleSet::new(scope, default, rules) {
                    Ok(rules) => Some(ScopePolicy::Rules(Arc::new(rules))),
                    Err(reason) => {
                        problems.add(format!("{scope}.rules"), format!("cannot be compiled: {reason}"));
                        None
                    }
                },
            });
        let mut scopes = scopes.collect::<Vec<_>>().into_iter();
        let policy = Self::assemble(config.profile, core::array::from_fn(|_| scopes.next().flatten()));
        problems.finish()?;
        Ok(policy)
    }

    fn assemble(profile: Profile, mut given: [Option<ScopePolicy>; Scope::ALL.len()]) -> Self {
        let scopes = core::array::from_fn(|index| {
            let unnamed = || ScopePolicy::Profile(profile.mode(Scope::ALL[index]));
            given[index].take().unwrap_or_else(unnamed)
        });
        let open = Scope::ALL.iter().zip(&scopes).filter(|(_, policy)| policy.is_open());
        let open = open.fold(0, |bits, (scope, _)| bits | scope.bit());
        let free = Operation::ALL.iter().filter(|operation| {
            let scope = &scopes[operation.scope() as usize];
            scope.always_allows(**operation)
        });
        let free = free.fold(0, |bits, operation| bits | operation.bit());
        Self {
            open,
            free,
            profile,
            scopes,
        }
    }

    /// Whether the scope is plainly allowed, so that callers need not even compute the resource.
    #[inline]
    pub fn is_open(&self, scope: Scope) -> bool {
        self.open & scope.bit() != 0
    }

    /// Whether no resource can make the operation fail: the scope is open, or no rule denies the operation.
    #[inline]
    pub fn always_allows(&self, operation: Operation) -> bool {
        self.free & operation.bit() != 0
    }

    /// Decides about one resource: a real path, a variable name, `kit:tool`, or `scheme://host:port`. An empty resource
    /// matches no rule.
    ///
    /// # Errors
    ///
    /// The refusal. So is what cannot be read as a resource of a network operation.
    pub fn check(&self, operation: Operation, resource: &[u8]) -> Result<(), Denied> {
        if self.always_allows(operation) {
            return Ok(());
        }
        let verdict = self.verdict(operation, resource);
        match verdict.mode {
            Mode::Allow => Ok(()),
            Mode::Deny => Err(self.denied(operation, verdict, resource)),
        }
    }

    /// Decides about a connection, a datagram, a lookup or a listener.
    ///
    /// # Errors
    ///
    /// The refusal; also when a name of the target is no host, or `operation` is not of the network.
    pub fn check_network(&self, operation: Operation, target: &NetworkTarget<'_>) -> Result<(), Denied> {
        if self.always_allows(operation) && operation.scope() == Scope::Network {
            return Ok(());
        }
        let Ok(request) = Request::new(operation, target) else {
            let name = target.name.unwrap_or_default();
            return Err(self.denied(operation, Verdict::REFUSED, name.as_bytes()));
        };
        let verdict = match operation.scope() {
            Scope::Network => self.verdict_network(&request),
            _ => Verdict::REFUSED,
        };
        match verdict.mode {
            Mode::Allow => Ok(()),
            Mode::Deny => Err(self.denied(operation, verdict, request.resource(0).as_bytes())),
        }
    }

    /// The decision about a resource of any scope.
    pub(super) fn verdict(&self, operation: Operation, resource: &[u8]) -> Verdict {
        match &self.scopes[operation.scope() as usize] {
            ScopePolicy::Rules(rules) => rules
                .cache
                .get(operation.canonical(), resource, || match operation.scope() {
                    Scope::Network => decide_text(rules, operation, resource),
                    _ => rules.decide(operation, resource),
                }),
            plain => plain.plain_verdict(),
        }
    }

    pub(super) fn verdict_network(&self, request: &Request) -> Verdict {
        match &self.scopes[Scope::Network as usize] {
            ScopePolicy::Rules(rules) => rules.decide_network(request),
            plain => plain.plain_verdict(),
        }
    }

    /// The rules of a scope that has some.
    pub(super) fn rule_set(&self, scope: Scope) -> Option<&RuleSet> {
        match &self.scopes[scope as usize] {
            ScopePolicy::Rules(rules) => Some(rules),
            ScopePolicy::Profile(_) | ScopePolicy::Plain(_) => None,
        }
    }

    /// What decided, for people.
    pub(super) fn rule_name(&self, scope: Scope, source: Source) -> String {
        match source {
            Source::Profile => format!("profile:{}", self.profile.name()),
            Source::Plain => format!("permissions.{scope}"),
            Source::Default => format!("{scope}.default"),
            Source::Implied => "implied".to_owned(),
            Source::Rule(hit) => format!("permissions.{scope}.rules[{}]", hit.rule),
        }
    }

    fn denied(&self, operation: Operation, verdict: Verdict, resource: &[u8]) -> Denied {
        let rule = self.rule_name(operation.scope(), verdict.source);
        Denied::new(operation, resource, rule)
    }
}

impl ScopePolicy {
    fn is_open(&self) -> bool {
        matches!(self, Self::Profile(Mode::Allow) | Self::Plain(Mode::Allow))
    }

    fn always_allows(&self, operation: Operation) -> bool {
        match self {
            Self::Profile(mode) | Self::Plain(mode) => *mode == Mode::Allow,
            Self::Rules(rules) => rules.always_allows(operation),
        }
    }

    /// The decision of a scope without rules.
    fn plain_verdict(&self) -> Verdict {
        match *self {
            Self::Profile(mode) => Verdict {
                mode,
                source: Source::Profile,
            },
            Self::Plain(mode) => Verdict {
                mode,
                source: Source::Plain,
            },
            Self::Rules(_) => Verdict::REFUSED,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::baseline()
    }
}

/// Decides about a network resource that is given as text.
fn decide_text(rules: &RuleSet, operation: Operation, resource: &[u8]) -> Verdict {
    let text = core::str::from_utf8(resource).ok();
    let request = text.and_then(|text| Request::parse(operation, &[text]).ok());
    request.map_or(Verdict::REFUSED, |request| rules.decide_network(&request))
}
