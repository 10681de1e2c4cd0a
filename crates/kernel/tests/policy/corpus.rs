//! Runs `cases/*.txt`. A case is one line:
//!
//! ```text
//! allow|deny SCOPE.OPERATION RESOURCE[,RESOURCE...] [own] [RULE [PATTERN]]
//! ```
//!
//! under the last `policy JSON` above it (which may go on over lines that are indented). `own` says that the VM owns a
//! listener there. Every case is put to enforcement, to `explain` and to the naive evaluator.

use crate::naive::{self, Question};
use agentos_kernel::policy::{Host, NetworkTarget, Operation, Policy, Protocol, Scope};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;

#[test]
fn every_case_of_the_corpus_is_decided_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policy/cases");
    let mut wrong = Vec::new();
    let mut count = 0;
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        count += run(&name, &std::fs::read_to_string(&file).unwrap(), &mut wrong);
    }
    assert!(
        wrong.is_empty(),
        "{} of {count} cases:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count >= 300, "the corpus shrank to {count} cases");
}

fn run(file: &str, text: &str, wrong: &mut Vec<String>) -> usize {
    let mut config = Value::from("default");
    let mut policy = Policy::baseline();
    let mut lines = text.lines().enumerate().peekable();
    let mut count = 0;
    while let Some((number, line)) = lines.next() {
        let at = format!("{file}:{}", number + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(json) = line.strip_prefix("policy ") {
            let mut json = json.to_owned();
            while let Some((_, more)) = lines.next_if(|(_, line)| line.starts_with(' ')) {
                json.push_str(more);
            }
            config = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{at}: {error}"));
            policy = Policy::from_json(&config).unwrap_or_else(|error| panic!("{at}: {error}"));
            continue;
        }
        count += 1;
        let case = Case::parse(line).unwrap_or_else(|| panic!("{at}: cannot read {line:?}"));
        wrong.extend(
            case.check(&config, &policy)
                .into_iter()
                .map(|reason| format!("{at}: {line}\n    {reason}")),
        );
    }
    count
}

struct Case {
    allowed: bool,
    question: Question,
    rule: Option<String>,
    pattern: Option<String>,
}

impl Case {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().peekable();
        let allowed = match words.next()? {
            "allow" => true,
            "deny" => false,
            _ => return None,
        };
        let (scope, operation) = words.next()?.split_once('.')?;
        let operation = Operation::parse(Scope::parse(scope)?, operation)?;
        let resources = words.next()?.split(',').map(str::to_owned).collect();
        let own_listener = words.next_if_eq(&"own").is_some();
        Some(Self {
            allowed,
            question: Question {
                operation,
                resources,
                own_listener,
            },
            rule: words.next().map(str::to_owned),
            pattern: words.next().map(str::to_owned),
        })
    }

    fn check(&self, config: &Value, policy: &Policy) -> Vec<String> {
        let mut wrong = Vec::new();
        let question = &self.question;
        let mut expect = |who: &str, allowed: bool, detail: &str| {
            if allowed != self.allowed {
                wrong.push(format!(
                    "{who} says {} ({detail})",
                    if allowed { "allow" } else { "deny" }
                ));
            }
        };
        let enforced = enforce(policy, question);
        expect("enforcement", enforced.is_ok(), &format!("{enforced:?}"));
        let (naive, rule) = naive::decide(config, question);
        expect("the naive evaluator", naive, &rule);
        if question.own_listener {
            return wrong;
        }
        let resources: Vec<&str> = question.resources.iter().map(String::as_str).collect();
        let operation = question.operation;
        match policy.explain(operation.scope().name(), operation.name(), &resources) {
            Err(error) => wrong.push(error.to_string()),
            Ok(explained) => {
                expect("explain", explained.allowed, &explained.rule);
                if self.rule.as_ref().is_some_and(|rule| *rule != explained.rule) {
                    wrong.push(format!("explain names {}", explained.rule));
                }
                if self.pattern.is_some() && self.pattern != explained.pattern {
                    wrong.push(format!("explain names {:?}", explained.pattern));
                }
            }
        }
        wrong
    }
}

/// Asks as the kernel does: by path or name, and on the network by address and the names known for it.
pub(crate) fn enforce(policy: &Policy, question: &Question) -> Result<(), String> {
    let operation = question.operation;
    if operation.scope() != Scope::Network {
        return policy
            .check(operation, question.resources[0].as_bytes())
            .map_err(|denied| denied.to_string());
    }
    let mut names: Vec<Box<str>> = Vec::new();
    let mut target = None;
    for resource in &question.resources {
        let (scheme, rest) = resource.split_once("://").unwrap();
        let protocol = if scheme == "udp" { Protocol::Udp } else { Protocol::Tcp };
        if scheme == "dns" {
            target = Some(NetworkTarget::lookup(rest));
            continue;
        }
        let (host, port) = rest.rsplit_once(':').unwrap();
        let port = port.parse().unwrap();
        match Host::parse(host).ok().and_then(|host| host.address()) {
            Some(address) => target = Some(NetworkTarget::address(protocol, SocketAddr::new(address, port))),
            None => names.push(host.into()),
        }
        if target.is_none() && question.resources.len() == 1 {
            // A name alone is asked for before it is resolved; any public address will do here.
            let address = SocketAddr::from(([203, 0, 114, 77], port));
            target = Some(NetworkTarget::address(protocol, address));
        }
    }
    let target = target.unwrap();
    let target = target.known_as(&names).own_listener(question.own_listener);
    policy
        .check_network(operation, &target)
        .map_err(|denied| denied.to_string())
}
