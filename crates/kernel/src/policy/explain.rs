//! Why a decision is as it is, without taking it.
//!
//! An explanation asks the same compiled rules as enforcement does; only the question is read from text.

use super::invalid::nearest;
use super::network::Request;
use super::operation::{Operation, Scope};
use super::policy::Policy;
use super::rules::{Mode, Source, Verdict};
use serde_json::{Value, json};

/// A decision and what decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// Whether the policy allows the request.
    pub allowed: bool,
    /// What decided: `permissions.network.rules[2]`, `network.default`, `profile:default`, `implied`, or the scope itself
    /// (`permissions.network`) where it is a plain mode.
    pub rule: String,
    /// The first pattern of that rule that matches, as written; none if the rule has no patterns.
    pub pattern: Option<String>,
    /// The normalised resource; the first of a candidate set.
    pub resource: String,
}

/// A question that cannot be answered: an unknown scope or operation, or a resource that cannot exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidQuery(String);

impl Policy {
    /// Says how a request would be decided, and by what. Resolves nothing and has no side effects.
    ///
    /// `resources` is one resource or, on the network, a candidate set: `tcp://host:port` (the scheme may be left out),
    /// `udp://host:port`, `dns://host`. A connection is explained as one to somewhere outside the VM; a listener that the
    /// VM owns is reachable by the implied rule in addition.
    pub fn explain(&self, scope: &str, operation: &str, resources: &[&str]) -> Result<Explanation, InvalidQuery> {
        let operation = question(scope, operation)?;
        if operation.scope() == Scope::Network {
            let request = Request::parse(operation, resources).map_err(InvalidQuery)?;
            let verdict = self.verdict_network(&request);
            return Ok(self.explanation(operation, verdict, request.resource(0)));
        }
        let &[resource] = resources else {
            return Err(InvalidQuery(format!(
                "{operation} needs one resource, got {}",
                resources.len()
            )));
        };
        check_resource(operation.scope(), resource)?;
        let verdict = self.verdict(operation, resource.as_bytes());
        Ok(self.explanation(operation, verdict, resource.to_owned()))
    }

    fn explanation(&self, operation: Operation, verdict: Verdict, resource: String) -> Explanation {
        let pattern = match verdict.source {
            Source::Rule(hit) => self.rule_set(operation.scope()).and_then(|rules| rules.pattern(hit)),
            _ => None,
        };
        Explanation {
            allowed: verdict.mode == Mode::Allow,
            rule: self.rule_name(operation.scope(), verdict.source),
            pattern: pattern.map(str::to_owned),
            resource,
        }
    }
}

impl Explanation {
    /// The documented JSON shape: `decision`, `rule`, `pattern` (if there is one) and `resource`.
    pub fn to_json(&self) -> Value {
        let decision = if self.allowed { "allow" } else { "deny" };
        let mut value = json!({ "decision": decision, "rule": self.rule, "resource": self.resource });
        if let Some(pattern) = &self.pattern {
            value["pattern"] = json!(pattern);
        }
        value
    }
}

fn question(scope: &str, operation: &str) -> Result<Operation, InvalidQuery> {
    let meant = |name: Option<&str>| name.map_or(String::new(), |name| format!(" (did you mean {name}?)"));
    let known_scope = Scope::parse(scope).ok_or_else(|| {
        let names: Vec<_> = Scope::ALL.iter().map(|scope| scope.name()).collect();
        let meant = meant(nearest(scope, names.iter().copied()));
        InvalidQuery(format!(
            "unknown scope {scope:?}{meant}; accepted are {}",
            names.join(", ")
        ))
    })?;
    Operation::parse(known_scope, operation).ok_or_else(|| {
        let names: Vec<_> = known_scope.operations().map(Operation::name).collect();
        let meant = meant(nearest(operation, names.iter().copied()));
        InvalidQuery(format!(
            "unknown operation {operation:?} of {scope}{meant}; accepted are {}",
            names.join(", ")
        ))
    })
}

/// Refuses resources that no request can have, because an answer about them would mislead.
fn check_resource(scope: Scope, resource: &str) -> Result<(), InvalidQuery> {
    let normal = || resource == "/" || !resource.split('/').skip(1).any(|part| matches!(part, "" | "." | ".."));
    let problem = match scope {
        Scope::Fs | Scope::ChildProcess | Scope::Process if !resource.starts_with('/') => "an absolute path",
        Scope::Fs | Scope::ChildProcess | Scope::Process if !normal() => {
            "a real path (no '.', '..', '//' or trailing slash)"
        }
        Scope::Env if resource.is_empty() || resource.contains('=') => "a variable name",
        Scope::Tool if resource.split(':').filter(|part| !part.is_empty()).count() != 2 => "kit:tool",
        _ if resource.contains('\0') => "text without NUL",
        _ => return Ok(()),
    };
    Err(InvalidQuery(format!("{scope} needs {problem}, got {resource:?}")))
}
