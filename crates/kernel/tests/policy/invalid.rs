//! Refused configurations, with the exact text of every error: `invalid.txt` holds pairs of a configuration and the lines
//! that it is refused with.

use agentos_kernel::policy::Mode;
use agentos_kernel::policy::{Policy, Rule, Rules, Scope};
use serde_json::{Value, json};

#[test]
fn bad_configurations_are_refused_with_every_problem_named() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for block in include_str!("invalid.txt").split("\n\n") {
        let lines: Vec<&str> = block.lines().filter(|line| !line.starts_with('#')).collect();
        let Some((config, expected)) = lines.split_first() else {
            continue;
        };
        count += 1;
        let config: Value = serde_json::from_str(config).unwrap_or_else(|error| panic!("{config}: {error}"));
        let expected: Vec<String> = expected
            .iter()
            .map(|line| format!("invalid permissions policy: {}", line.trim_start()))
            .collect();
        let found = Policy::from_json(&config).map_or_else(|error| error.to_string(), |_| "accepted".to_owned());
        if found != expected.join("\n") {
            wrong.push(format!(
                "{config}\n  expected {}\n  found    {found}",
                expected.join("\n           ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 60, "the corpus shrank to {count} configurations");
}

#[test]
fn sizes_are_bounded() {
    let rules = |count: usize| json!({ "env": { "rules": vec![json!({ "mode": "deny" }); count] } });
    assert!(Policy::from_json(&rules(256)).is_ok());
    let error = Policy::from_json(&rules(257)).unwrap_err().to_string();
    assert_eq!(
        error,
        "invalid permissions policy: env.rules must have at most 256 rules, got 257"
    );

    let values = |count: usize| json!({ "env": { "rules": [{ "mode": "deny", "patterns": vec!["A"; count] }] } });
    assert!(Policy::from_json(&values(128)).is_ok());
    let error = Policy::from_json(&values(129)).unwrap_err().to_string();
    let expected = "invalid permissions policy: env.rules[0].patterns must have at most 128 values, got 129";
    assert_eq!(error, expected);

    let size = |bytes: usize| json!({ "env": { "rules": [{ "mode": "deny", "patterns": ["A".repeat(bytes)] }] } });
    let frame = size(0).to_string().len();
    assert!(Policy::from_json(&size(262_144 - frame)).is_ok());
    let error = Policy::from_json(&size(262_145 - frame)).unwrap_err().to_string();
    assert_eq!(
        error,
        "invalid permissions policy: permissions must be at most 262144 bytes of JSON, got 262145"
    );
}

#[test]
fn a_flood_of_problems_is_counted_not_printed() {
    let rules: Vec<Value> = (0..256).map(|_| json!({ "mode": "ask" })).collect();
    let error = Policy::from_json(&json!({ "fs": { "rules": rules } })).unwrap_err();
    assert_eq!(error.problems().len(), 64);
    assert!(error.to_string().ends_with("and 192 more problems"), "{error}");
}

#[test]
fn the_rust_builder_is_checked_by_the_same_rules() {
    let build = |rule: Rule| {
        Policy::builder()
            .rules(Scope::Fs, Rules::new(Mode::Deny).rule(rule))
            .build()
    };
    assert!(build(Rule::allow().patterns(["/workspace/**"])).is_ok());
    let error = build(Rule::allow().patterns(["workspace"])).unwrap_err();
    assert_eq!(error.problems()[0].path, "fs.rules[0].paths[0]");
    let error = build(Rule::allow().operations([])).unwrap_err().to_string();
    let expected = "invalid permissions policy: fs.rules[0].operations must not be empty; use [\"*\"] for wildcard";
    assert_eq!(error, expected);
    let error = build(
        Rule::allow()
            .operations([agentos_kernel::policy::Operation::EnvRead])
            .patterns(["/a"]),
    );
    assert!(error.is_ok(), "read is an operation of fs, too");
    let error = build(Rule::allow().operations([agentos_kernel::policy::Operation::Spawn]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("must be an operation of fs, got \"spawn\""), "{error}");
}
