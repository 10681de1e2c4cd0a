//! From a configuration to checked rules.
//!
//! The configuration is a JSON value of the shape that security.md section 1.1 gives. Nothing unknown is skipped and no
//! type is converted: a policy that its author misspelled must not start a VM. All problems are found in one pass.

use super::glob;
use super::invalid::{InvalidPolicy, Problems, nearest};
use super::network::Reach;
use super::operation::{Operation, Scope};
use super::rules::{self, Mode, Rule};
use serde_json::{Map, Value};
use std::io;

/// Where the values of unnamed scopes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Profile {
    /// Everything is allowed; on the network that is public addresses only, because the egress guard always applies.
    #[default]
    Default,
    /// As the default, without the network: no outgoing connection, datagram, lookup or listener.
    Locked,
}

/// A checked configuration.
#[derive(Debug, Default)]
pub(super) struct Config {
    pub(super) profile: Profile,
    /// By the number of the scope; none keeps the profile's value.
    pub(super) scopes: [Option<ScopeConfig>; Scope::ALL.len()],
}

/// What a configuration says about a scope.
#[derive(Debug)]
pub(super) enum ScopeConfig {
    Plain(Mode),
    Rules { default: Mode, rules: Vec<Rule> },
}

impl Profile {
    /// Every profile.
    pub const ALL: &[Self] = &[Self::Default, Self::Locked];

    /// The name in a configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Locked => "locked",
        }
    }

    /// The profile of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|profile| profile.name() == name)
    }

    pub(super) const fn mode(self, scope: Scope) -> Mode {
        match (self, scope) {
            (Self::Locked, Scope::Network) => Mode::Deny,
            _ => Mode::Allow,
        }
    }
}

impl Config {
    /// Checks a configuration.
    pub(super) fn parse(value: &Value) -> Result<Self, InvalidPolicy> {
        let mut parser = Parser::default();
        let config = parser.config(value);
        parser.problems.finish()?;
        Ok(config)
    }
}

#[derive(Default)]
struct Parser {
    problems: Problems,
}

impl Parser {
    fn config(&mut self, value: &Value) -> Config {
        let bytes = json_len(value);
        if bytes > POLICY_BYTES_MAX {
            let reason = format!("must be at most {POLICY_BYTES_MAX} bytes of JSON, got {bytes}");
            self.problems.add(ROOT, reason);
            return Config::default();
        }
        if let Some(profile) = value.as_str().and_then(Profile::parse) {
            return Config {
                profile,
                ..Config::default()
            };
        }
        let Value::Object(fields) = value else {
            let reason = format!("must be \"default\", \"locked\" or an object, got {}", shown(value));
            self.problems.add(ROOT, reason);
            return Config::default();
        };
        let mut config = Config::default();
        for (name, value) in fields {
            if name == "profile" {
                config.profile = self.profile(value);
            } else if let Some(scope) = Scope::parse(name) {
                config.scopes[scope as usize] = self.scope(scope, value);
            } else {
                let known = ["profile"]
                    .into_iter()
                    .chain(Scope::ALL.iter().map(|scope| scope.name()));
                self.unknown(ROOT, name, "scope", known);
            }
        }
        config
    }

    fn profile(&mut self, value: &Value) -> Profile {
        value.as_str().and_then(Profile::parse).unwrap_or_else(|| {
            let reason = format!("must be \"default\" or \"locked\", got {}", shown(value));
            self.problems.add("profile", reason);
            Profile::Default
        })
    }

    fn scope(&mut self, scope: Scope, value: &Value) -> Option<ScopeConfig> {
        match value {
            Value::Object(fields) => self.rule_set(scope, fields),
            _ => {
                let accepted = "\"allow\", \"deny\" or an object with rules";
                self.mode(scope.name(), value, accepted).map(ScopeConfig::Plain)
            }
        }
    }

    fn rule_set(&mut self, scope: Scope, fields: &Map<String, Value>) -> Option<ScopeConfig> {
        let path = scope.name();
        self.known_fields(path, fields, &["default", "rules"]);
        let default = match fields.get("default") {
            None => Mode::Deny,
            Some(value) => self
                .mode(&format!("{path}.default"), value, MODES)
                .unwrap_or(Mode::Deny),
        };
        let rules_path = format!("{path}.rules");
        let Some(rules) = fields.get("rules") else {
            self.problems.add(rules_path, format!("is required; {PLAIN}"));
            return None;
        };
        let Value::Array(rules) = rules else {
            self.problems
                .add(rules_path, format!("must be an array of rules, got {}", shown(rules)));
            return None;
        };
        if rules.is_empty() {
            self.problems.add(rules_path, format!("must not be empty; {PLAIN}"));
            return None;
        }
        if rules.len() > RULES_MAX {
            let reason = format!("must have at most {RULES_MAX} rules, got {}", rules.len());
            self.problems.add(rules_path, reason);
            return None;
        }
        let rules = rules
            .iter()
            .enumerate()
            .filter_map(|(index, rule)| self.rule(scope, index, rule))
            .collect();
        Some(ScopeConfig::Rules { default, rules })
    }

    fn rule(&mut self, scope: Scope, index: usize, value: &Value) -> Option<Rule> {
        let path = format!("{scope}.rules[{index}]");
        let Value::Object(fields) = value else {
            self.problems
                .add(path, format!("must be an object with a mode, got {}", shown(value)));
            return None;
        };
        self.rule_fields(scope, &path, fields);
        let mode = match fields.get("mode") {
            Some(mode) => self.mode(&format!("{path}.mode"), mode, MODES),
            None => {
                self.problems
                    .add(format!("{path}.mode"), format!("is required: {MODES}"));
                None
            }
        };
        let operations = match fields.get("operations") {
            None => Some(u32::MAX),
            Some(value) => self.operations(scope, &format!("{path}.operations"), value),
        };
        let field = scope.pattern_field();
        let patterns = match fields.get(field) {
            None => Some(Vec::new()),
            Some(value) => self.patterns(scope, &format!("{path}.{field}"), value),
        };
        Some(Rule {
            mode: mode?,
            operations: operations?,
            patterns: patterns?,
        })
    }

    /// Names fields that a rule does not have; `paths` and `patterns` are easily mixed up.
    fn rule_fields(&mut self, scope: Scope, path: &str, fields: &Map<String, Value>) {
        for other in ["paths", "patterns"] {
            if other != scope.pattern_field() && fields.contains_key(other) {
                let reason = format!("is not a field of {scope} rules; use {}", scope.pattern_field());
                self.problems.add(format!("{path}.{other}"), reason);
            }
        }
        let known = ["mode", "operations", scope.pattern_field()];
        for name in fields
            .keys()
            .filter(|name| !matches!(name.as_str(), "paths" | "patterns"))
        {
            if !known.contains(&name.as_str()) {
                self.unknown(path, name, "field", known);
            }
        }
    }

    fn operations(&mut self, scope: Scope, path: &str, value: &Value) -> Option<u32> {
        let mut bits = 0;
        for (index, value) in self.values(path, value)?.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Value::String(name) = value else {
                self.problems
                    .add(path, format!("must be a string, got {}", shown(value)));
                continue;
            };
            if name == "*" {
                bits = u32::MAX;
            } else if let Some(operation) = Operation::parse(scope, name) {
                bits |= operation.bit();
            } else {
                let known = || scope.operations().map(Operation::name);
                let meant = nearest(name, known()).map_or(String::new(), |name| format!(" (did you mean {name}?)"));
                let known: Vec<_> = known().collect();
                let known = known.join(", ");
                let shown = shown(value);
                self.problems.add(
                    path,
                    format!("must be an operation of {scope}, got {shown}{meant}; accepted are {known} and *"),
                );
            }
        }
        Some(bits)
    }

    fn patterns(&mut self, scope: Scope, path: &str, value: &Value) -> Option<Vec<Box<str>>> {
        let mut patterns = Vec::new();
        for (index, value) in self.values(path, value)?.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Value::String(pattern) = value else {
                self.problems
                    .add(path, format!("must be a string, got {}", shown(value)));
                continue;
            };
            let problem = match scope {
                Scope::Network => Reach::parse(pattern).err(),
                _ => glob::problem(rules::kind(scope), pattern),
            };
            match problem {
                Some(reason) => self.problems.add(path, reason),
                None => patterns.push(pattern.as_str().into()),
            }
        }
        Some(patterns)
    }

    /// The values of a list that must not be empty: an empty list could be taken for all as well as for none.
    fn values<'a>(&mut self, path: &str, value: &'a Value) -> Option<&'a Vec<Value>> {
        let reason = match value {
            Value::Array(values) if values.is_empty() => "must not be empty; use [\"*\"] for wildcard".to_owned(),
            Value::Array(values) if values.len() > VALUES_MAX => {
                format!("must have at most {VALUES_MAX} values, got {}", values.len())
            }
            Value::Array(values) => return Some(values),
            _ => format!("must be an array of strings, got {}", shown(value)),
        };
        self.problems.add(path, reason);
        None
    }

    fn mode(&mut self, path: &str, value: &Value, accepted: &str) -> Option<Mode> {
        match value.as_str() {
            Some("allow") => return Some(Mode::Allow),
            Some("deny") => return Some(Mode::Deny),
            _ => {}
        }
        let hint = match value.as_str() {
            Some("ask") => "; questions are put by tool approval, not by this policy",
            _ => "",
        };
        self.problems
            .add(path, format!("must be {accepted}, got {}{hint}", shown(value)));
        None
    }

    fn known_fields(&mut self, path: &str, fields: &Map<String, Value>, known: &[&str]) {
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            self.unknown(path, name, "field", known.iter().copied());
        }
    }

    fn unknown<'a>(&mut self, parent: &str, name: &str, what: &str, known: impl IntoIterator<Item = &'a str>) {
        let known: Vec<&str> = known.into_iter().collect();
        let shown = cut(name);
        let path = match parent {
            ROOT => shown,
            _ => format!("{parent}.{shown}"),
        };
        let meant =
            nearest(name, known.iter().copied()).map_or(String::new(), |name| format!(" (did you mean {name}?)"));
        self.problems.add(
            path,
            format!("is an unknown {what}{meant}; accepted are {}", known.join(", ")),
        );
    }
}

/// A value as a person would look for it, cut when long.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        _ => cut(&value.to_string()),
    }
}

/// Text that fits into a message.
fn cut(text: &str) -> String {
    let shown = super::denied::escape(text.as_bytes());
    match shown.char_indices().nth(SHOWN_MAX) {
        None => shown,
        Some((end, _)) => format!("{}...", &shown[..end]),
    }
}

/// Bytes of the value as compact JSON.
fn json_len(value: &Value) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // The writer accepts everything, and every value can be written; if not, the policy is too large to be checked.
    serde_json::to_writer(&mut count, value).map_or(usize::MAX, |()| count.0)
}

const ROOT: &str = "permissions";
const MODES: &str = "\"allow\" or \"deny\"";
const PLAIN: &str = "use \"allow\" or \"deny\" for the whole scope";
const SHOWN_MAX: usize = 80;

/// Largest policy in bytes of JSON.
const POLICY_BYTES_MAX: usize = 256 << 10;
/// Rules of one scope.
const RULES_MAX: usize = 256;
/// Operations or patterns of one rule.
const VALUES_MAX: usize = 128;
