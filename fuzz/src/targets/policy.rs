//! Permission policies: arbitrary text as a configuration, and arbitrary questions to what is accepted.

use agentos::policy::{Operation, Scope};
use agentos::{Permissions, Policy};
use agentos_cli::policy::parse_json;
use serde_json::{Value, json};

/// Neither the parser nor a decision may panic, and every explanation agrees with enforcement.
pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(config) = parse_json(&text) {
        ask(&config, &text);
    }
    // Random bytes are seldom a policy: the lines become patterns and questions of one.
    let lines: Vec<&str> = text.lines().take(64).collect();
    for &scope in Scope::ALL {
        let accepted = |line: &&&str| Policy::from_json(&one(scope, &[line])).is_ok();
        let patterns: Vec<&str> = lines.iter().filter(accepted).copied().collect();
        if !patterns.is_empty() {
            ask(&one(scope, &patterns), &text);
        }
    }
}

/// A policy in which every second pattern denies.
fn one(scope: Scope, patterns: &[&str]) -> Value {
    let field = match scope {
        Scope::Fs => "paths",
        _ => "patterns",
    };
    let rule = |(index, pattern)| {
        let mode = if index % 2 == 0 { "allow" } else { "deny" };
        json!({ "mode": mode, field: [pattern] })
    };
    let rules: Vec<Value> = patterns.iter().enumerate().map(rule).collect();
    json!({ scope.name(): { "rules": rules } })
}

fn ask(config: &Value, text: &str) {
    let policy = match Policy::from_json(config) {
        Ok(policy) => policy,
        Err(error) => {
            assert!(!error.problems().is_empty(), "refused without a reason");
            return;
        }
    };
    let permissions = Permissions::new(policy.clone()).expect("it was checked");
    for resource in text
        .lines()
        .take(16)
        .chain(["/a", "PATH", "a:b", "tcp://a.b:80", "dns://a.b"])
    {
        for &operation in Operation::ALL {
            let enforced = policy.check(operation, resource.as_bytes());
            if let Ok(explained) = permissions.explain(operation.scope().name(), operation.name(), &[resource]) {
                assert_eq!(enforced.is_ok(), explained.policy.allowed, "{operation} {resource:?}");
            }
        }
    }
}
