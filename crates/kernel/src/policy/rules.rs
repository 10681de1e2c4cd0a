//! The rules of one scope, compiled.
//!
//! The last rule that matches decides. The automaton names every pattern that matches; rules that match everything (no
//! patterns, or a lone `*`) are not in it, and the last of them per operation is known beforehand. The larger of both is
//! the last match.

use super::cache::DecisionCache;
use super::glob;
use super::matcher::{GaveUp, Matcher};
use super::network::Reach;
use super::operation::{Operation, Scope};
use core::cmp::Reverse;

/// Allow or deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The operation goes ahead.
    Allow,
    /// The operation fails with `EACCES`.
    Deny,
}

/// A decision and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) mode: Mode,
    pub(super) source: Source,
}

impl Verdict {
    /// The answer when there is none.
    pub(super) const REFUSED: Self = Self {
        mode: Mode::Deny,
        source: Source::Default,
    };
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The profile; the policy says nothing about the scope.
    Profile,
    /// The plain mode of the scope.
    Plain,
    /// No rule matched.
    Default,
    /// The rule that stands before all rules of a network rule set.
    Implied,
    /// A rule and its first pattern that matches.
    Rule(Hit),
}

/// A rule that matches, and through which of its patterns; none if it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) rule: u16,
    pub(super) pattern: Option<u16>,
}

/// A checked rule.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) mode: Mode,
    /// Bits of the operations.
    pub(super) operations: u32,
    /// Patterns as written; none if the rule has none and matches everything.
    pub(super) patterns: Vec<Box<str>>,
}

/// A pattern of the automaton.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) hit: Hit,
    /// What else must fit, in the network scope.
    pub(super) reach: Reach,
}

/// Compiled rules of one scope.
#[derive(Debug)]
pub(super) struct RuleSet {
    pub(super) default: Mode,
    pub(super) rules: Box<[Rule]>,
    /// Rules that match every resource, the last first.
    pub(super) always: Box<[Hit]>,
    /// What the expressions of `matcher` stand for.
    pub(super) entries: Box<[Entry]>,
    pub(super) matcher: Option<Matcher>,
    pub(super) cache: DecisionCache,
}

impl RuleSet {
    /// Compiles checked rules. The error is a reason for people.
    pub(super) fn new(scope: Scope, default: Mode, rules: Vec<Rule>) -> Result<Self, String> {
        let (mut always, mut entries, mut expressions) = (Vec::new(), Vec::new(), Vec::new());
        for (rule, index) in rules.iter().zip(0..) {
            let before = always.len();
            if rule.patterns.is_empty() {
                always.push(Hit {
                    rule: index,
                    pattern: None,
                });
            }
            for (text, pattern) in rule.patterns.iter().zip(0..) {
                let hit = Hit {
                    rule: index,
                    pattern: Some(pattern),
                };
                let (expression, reach) = match scope {
                    Scope::Network => Reach::parse(text)?,
                    _ => (expression(scope, text), Reach::ANY),
                };
                match expression {
                    None if always.len() == before => always.push(hit),
                    None => {}
                    Some(expression) => {
                        expressions.push(expression);
                        entries.push(Entry { hit, reach });
                    }
                }
            }
        }
        always.reverse();
        Ok(Self {
            default,
            matcher: (!entries.is_empty()).then(|| Matcher::new(&expressions)).transpose()?,
            rules: rules.into(),
            always: always.into(),
            entries: entries.into(),
            cache: DecisionCache::default(),
        })
    }

    /// Decides about a resource of any scope but the network. Without a resource no rule matches.
    pub(super) fn decide(&self, operation: Operation, resource: &[u8]) -> Verdict {
        if resource.is_empty() {
            return self.by_default();
        }
        match self.last(operation.bit(), &[resource], |_| true) {
            Ok(Some(hit)) => self.verdict(hit),
            Ok(None) => self.by_default(),
            Err(GaveUp) => Verdict::REFUSED,
        }
    }

    /// The last rule with this operation that matches any of the texts through an entry that `fits`.
    pub(super) fn last(&self, bit: u32, texts: &[&[u8]], fits: impl Fn(&Reach) -> bool) -> Result<Option<Hit>, GaveUp> {
        let has_operation = |hit: &Hit| self.rule(*hit).is_some_and(|rule| rule.operations & bit != 0);
        let mut best = self.always.iter().copied().find(has_operation);
        if let Some(matcher) = &self.matcher {
            for text in texts {
                matcher.each(text, |index| {
                    let Some(entry) = self.entries.get(index) else { return };
                    if is_later(entry.hit, best) && has_operation(&entry.hit) && fits(&entry.reach) {
                        best = Some(entry.hit);
                    }
                })?;
            }
        }
        Ok(best)
    }

    pub(super) fn rule(&self, hit: Hit) -> Option<&Rule> {
        self.rules.get(usize::from(hit.rule))
    }

    /// The decision of a rule that matches.
    pub(super) fn verdict(&self, hit: Hit) -> Verdict {
        Verdict {
            mode: self.rule(hit).map_or(Mode::Deny, |rule| rule.mode),
            source: Source::Rule(hit),
        }
    }

    /// The decision without a rule.
    pub(super) fn by_default(&self) -> Verdict {
        Verdict {
            mode: self.default,
            source: Source::Default,
        }
    }

    /// The text of the pattern that matched.
    pub(super) fn pattern(&self, hit: Hit) -> Option<&str> {
        let patterns = &self.rule(hit)?.patterns;
        patterns.get(usize::from(hit.pattern?)).map(|text| &**text)
    }

    /// Whether no resource can make the operation fail.
    pub(super) fn always_allows(&self, operation: Operation) -> bool {
        let denies = |rule: &Rule| rule.mode == Mode::Deny && rule.operations & operation.bit() != 0;
        self.default == Mode::Allow && !self.rules.iter().any(denies)
    }
}

/// Whether a hit decides instead of the best one so far: a later rule, or an earlier pattern of the same one.
fn is_later(hit: Hit, best: Option<Hit>) -> bool {
    let order = |hit: Hit| (hit.rule, Reverse(hit.pattern));
    best.is_none_or(|best| order(hit) > order(best))
}

/// The regular expression of a pattern; none if it matches everything.
fn expression(scope: Scope, pattern: &str) -> Option<String> {
    let kind = kind(scope);
    (!glob::is_everything(kind, pattern)).then(|| glob::regex(kind, pattern))
}

/// The kind of the patterns of a scope.
pub(super) fn kind(scope: Scope) -> glob::Kind {
    match scope {
        Scope::Fs => glob::Kind::Path,
        Scope::Network => glob::Kind::Host,
        Scope::ChildProcess | Scope::Process => glob::Kind::Command,
        Scope::Env => glob::Kind::Name,
        Scope::Tool => glob::Kind::Tool,
    }
}
