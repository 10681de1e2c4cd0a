//! Random policies and requests: enforcement, explanation and the naive evaluator always agree.

use crate::corpus::enforce;
use crate::naive::{self, Question};
use agentos_kernel::policy::{Operation, Policy, Scope};
use proptest::prelude::*;
use serde_json::{Value, json};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(600)))]

    #[test]
    fn enforcement_explanation_and_the_naive_evaluator_agree((config, questions) in policy_and_questions()) {
        let policy = Policy::from_json(&config).map_err(|error| TestCaseError::fail(error.to_string()))?;
        // Twice, so that remembered decisions are compared as well.
        for question in questions.iter().chain(&questions) {
            let (expected, rule) = naive::decide(&config, question);
            let enforced = enforce(&policy, question);
            prop_assert_eq!(enforced.is_ok(), expected, "{:?} under {}: naive {}", question, config, rule);
            if policy.always_allows(question.operation) {
                prop_assert!(expected, "{:?} under {}", question, config);
            }
            if question.own_listener {
                continue;
            }
            let resources: Vec<&str> = question.resources.iter().map(String::as_str).collect();
            let name = question.operation.name();
            let explained = policy.explain(question.operation.scope().name(), name, &resources)
                .map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(explained.allowed, expected, "{:?} under {}", question, config);
            if rule != "reachable" {
                prop_assert_eq!(explained.rule, rule, "{:?} under {}", question, config);
            }
        }
    }
}

fn policy_and_questions() -> impl Strategy<Value = (Value, Vec<Question>)> {
    let scope = prop::sample::select(Scope::ALL);
    scope.prop_flat_map(|scope| {
        let policy = (prop::sample::select(vec!["default", "locked"]), rule_set(scope))
            .prop_map(move |(profile, rules)| json!({ "profile": profile, scope.name(): rules }));
        (policy, prop::collection::vec(question(scope), 1..12))
    })
}

fn rule_set(scope: Scope) -> BoxedStrategy<Value> {
    let mode = || prop::sample::select(vec!["allow", "deny"]);
    let rules = prop::collection::vec(rule(scope), 1..6);
    let with_rules = (prop::option::of(mode()), rules).prop_map(|(default, rules)| match default {
        Some(default) => json!({ "default": default, "rules": rules }),
        None => json!({ "rules": rules }),
    });
    prop_oneof![1 => mode().prop_map(|mode| json!(mode)), 9 => with_rules].boxed()
}

fn rule(scope: Scope) -> impl Strategy<Value = Value> {
    let mut names: Vec<&str> = scope.operations().map(Operation::name).collect();
    names.push("*");
    let operations = prop::option::of(prop::collection::vec(prop::sample::select(names), 1..3));
    let patterns = prop::option::weighted(0.9, prop::collection::vec(pattern(scope), 1..4));
    (prop::bool::ANY, operations, patterns).prop_map(move |(allow, operations, patterns)| {
        let mut rule = json!({ "mode": if allow { "allow" } else { "deny" } });
        if let Some(operations) = operations {
            rule["operations"] = json!(operations);
        }
        if let Some(patterns) = patterns {
            rule[scope.pattern_field()] = json!(patterns);
        }
        rule
    })
}

/// Few letters, so that patterns and resources meet often.
fn pattern(scope: Scope) -> BoxedStrategy<String> {
    let path = r"(/(\*\*|[ab*?.]{1,3})){1,4}|/|\*|\*\*";
    let absolute = |text: &String| !text.split('/').skip(1).any(|part| part == "." || part == "..");
    let plain =
        |text: &String| !text.contains("***") && text.split('/').all(|part| part == "**" || !part.contains("**"));
    match scope {
        Scope::Fs => path.prop_filter("real", absolute).prop_filter("plain", plain).boxed(),
        Scope::ChildProcess | Scope::Process => prop_oneof![path, r"[ab*?]{1,3}"]
            .prop_filter("real", absolute)
            .prop_filter("plain", plain)
            .boxed(),
        Scope::Env => r"[AB*?]{1,4}"
            .prop_filter("plain", |text| !text.contains("***"))
            .boxed(),
        Scope::Tool => r"[ab*?]{1,3}(:[ab*?]{1,3})?"
            .prop_filter("plain", |text| !text.contains("***"))
            .boxed(),
        Scope::Network => network_pattern(),
    }
}

fn network_pattern() -> BoxedStrategy<String> {
    let host = prop_oneof![
        4 => prop::sample::select(vec!["a.b", "*.b", "*", "c", "A.B.", "localhost", "*.localhost", "a?b", "**"]),
        2 => prop::sample::select(vec!["127.0.0.1", "10.*", "0x7f.1", "203.0.113.1", "[::1]", "[2001:db8::1]"]),
    ];
    let scheme = prop::option::of(prop::sample::select(vec!["tcp", "udp", "dns"]));
    let port = prop::option::of(prop::sample::select(vec!["80", "443", "*"]));
    (scheme, host, port)
        .prop_filter("a lookup has no port", |(scheme, _, port)| {
            *scheme != Some("dns") || matches!(port, None | Some("*"))
        })
        .prop_map(|(scheme, host, port)| {
            let scheme = scheme.map_or(String::new(), |scheme| format!("{scheme}://"));
            let port = port.map_or(String::new(), |port| format!(":{port}"));
            format!("{scheme}{host}{port}")
        })
        .boxed()
}

fn question(scope: Scope) -> BoxedStrategy<Question> {
    if scope == Scope::Network {
        return network_question().boxed();
    }
    let operation = prop::sample::select(scope.operations().collect::<Vec<_>>());
    let resource = match scope {
        Scope::Fs | Scope::ChildProcess | Scope::Process => r"(/[ab.]{1,3}){1,4}|/",
        Scope::Env => r"[AB]{1,4}",
        Scope::Tool => r"[ab]{1,3}:[ab]{1,3}",
        Scope::Network => unreachable!("handled above"),
    };
    let real = |text: &String| !text.split('/').skip(1).any(|part| part == "." || part == "..");
    (operation, resource.prop_filter("real", real))
        .prop_map(|(operation, resource)| Question {
            operation,
            resources: vec![resource],
            own_listener: false,
        })
        .boxed()
}

fn network_question() -> impl Strategy<Value = Question> {
    let names = prop::sample::select(vec!["a.b", "x.b", "b", "c", "localhost", "x.localhost", "a-b"]);
    let addresses = prop::sample::select(vec![
        "127.0.0.1",
        "127.0.0.2",
        "10.1.2.3",
        "203.0.113.1",
        "[::1]",
        "[2001:db8::1]",
        "[::ffff:10.0.0.1]",
        "0.0.0.0",
    ]);
    let operation = prop::sample::select(Scope::Network.operations().collect::<Vec<_>>());
    let port = prop::sample::select(vec![80_u16, 443, 9]);
    let some_names = prop::collection::vec(names, 0..3);
    (operation, addresses, some_names, port, prop::bool::ANY).prop_map(|(operation, address, names, port, own)| {
        let resources = match operation {
            Operation::NetworkDns => vec![format!("dns://{}", names.first().copied().unwrap_or("c"))],
            Operation::NetworkUdp => network_resources("udp", address, &names, port),
            Operation::NetworkListen => vec![format!("tcp://{address}:{port}")],
            _ => network_resources("tcp", address, &names, port),
        };
        let connects = !matches!(operation, Operation::NetworkDns | Operation::NetworkListen);
        Question {
            operation,
            resources,
            own_listener: own && connects,
        }
    })
}

fn network_resources(scheme: &str, address: &str, names: &[&str], port: u16) -> Vec<String> {
    let hosts = names.iter().copied().chain([address]);
    hosts.map(|host| format!("{scheme}://{host}:{port}")).collect()
}
