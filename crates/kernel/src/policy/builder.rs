//! Policies written in Rust.
//!
//! The builder writes the same configuration that a file would hold and has it checked by the same code, so that there is
//! one set of rules about what a policy may say.

use super::invalid::InvalidPolicy;
use super::operation::{Operation, Scope};
use super::parse::Profile;
use super::policy::Policy;
use super::rules::Mode;
use serde_json::{Map, Value, json};

/// Collects a policy; made by [`Policy::builder`].
///
/// ```
/// use agentos_kernel::policy::{Mode, Operation, Policy, Rule, Rules, Scope};
///
/// let policy = Policy::builder()
///     .mode(Scope::Tool, Mode::Deny)
///     .rules(
///         Scope::Network,
///         Rules::new(Mode::Deny).rule(Rule::allow().patterns(["api.example.com:443"])),
///     )
///     .build()?;
/// assert!(policy.check(Operation::NetworkHttp, b"tcp://api.example.com:443").is_ok());
/// assert!(policy.check(Operation::NetworkHttp, b"tcp://example.org:443").is_err());
/// # Ok::<(), agentos_kernel::policy::InvalidPolicy>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct PolicyBuilder {
    config: Map<String, Value>,
}

/// The rules of one scope; the last that matches decides.
#[derive(Debug, Clone)]
pub struct Rules {
    default: Mode,
    rules: Vec<Value>,
}

/// One rule. Without operations or patterns it is about all of them.
#[derive(Debug, Clone)]
pub struct Rule {
    mode: Mode,
    operations: Option<Vec<Value>>,
    patterns: Option<Vec<Value>>,
}

impl Policy {
    /// Starts a policy on the default profile.
    pub fn builder() -> PolicyBuilder {
        PolicyBuilder::default()
    }
}

impl PolicyBuilder {
    /// Where the values of scopes that are not set come from.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.config.insert("profile".to_owned(), json!(profile.name()));
        self
    }

    /// Allows or denies a whole scope.
    #[must_use]
    pub fn mode(mut self, scope: Scope, mode: Mode) -> Self {
        self.config.insert(scope.name().to_owned(), json!(mode.name()));
        self
    }

    /// Replaces what the policy says about a scope.
    #[must_use]
    pub fn rules(mut self, scope: Scope, rules: Rules) -> Self {
        let field = scope.pattern_field();
        let rename = |mut rule: Value| {
            if let Some(patterns) = rule.as_object_mut().and_then(|rule| rule.remove(PATTERNS)) {
                rule[field] = patterns;
            }
            rule
        };
        let list: Vec<Value> = rules.rules.into_iter().map(rename).collect();
        let config = json!({ "default": rules.default.name(), "rules": list });
        self.config.insert(scope.name().to_owned(), config);
        self
    }

    /// Checks and compiles.
    pub fn build(self) -> Result<Policy, InvalidPolicy> {
        Policy::from_json(&Value::Object(self.config))
    }
}

impl Rules {
    /// Starts with what holds where no rule matches.
    pub fn new(default: Mode) -> Self {
        Self {
            default,
            rules: Vec::new(),
        }
    }

    /// Adds a rule after the others.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        let mut config = Map::new();
        config.insert("mode".to_owned(), json!(rule.mode.name()));
        config.extend(
            rule.operations
                .map(|list| ("operations".to_owned(), Value::Array(list))),
        );
        config.extend(rule.patterns.map(|list| (PATTERNS.to_owned(), Value::Array(list))));
        self.rules.push(Value::Object(config));
        self
    }
}

impl Rule {
    /// A rule that allows.
    pub fn allow() -> Self {
        Self::new(Mode::Allow)
    }

    /// A rule that denies.
    pub fn deny() -> Self {
        Self::new(Mode::Deny)
    }

    fn new(mode: Mode) -> Self {
        Self {
            mode,
            operations: None,
            patterns: None,
        }
    }

    /// Limits the rule to these operations.
    #[must_use]
    pub fn operations(mut self, operations: impl IntoIterator<Item = Operation>) -> Self {
        self.operations = Some(
            operations
                .into_iter()
                .map(|operation| json!(operation.name()))
                .collect(),
        );
        self
    }

    /// Limits the rule to resources that match one of these patterns; for files these are paths.
    #[must_use]
    pub fn patterns<P: Into<String>>(mut self, patterns: impl IntoIterator<Item = P>) -> Self {
        self.patterns = Some(patterns.into_iter().map(|pattern| json!(pattern.into())).collect());
        self
    }
}

impl Mode {
    /// The name in a configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

const PATTERNS: &str = "patterns";
