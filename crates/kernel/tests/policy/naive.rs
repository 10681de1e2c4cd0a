//! A second evaluator, as simple as the specification reads: it walks the rules of the configuration one by one, with a
//! matcher that tries every way. Slow, and shares nothing with the compiled one but the spelling of hosts.

use agentos_kernel::policy::{Host, Operation, Scope};
use serde_json::Value;

/// What is asked. Network resources are candidate sets.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) operation: Operation,
    pub(crate) resources: Vec<String>,
    pub(crate) own_listener: bool,
}

/// Whether the policy allows it, and the rule that says so.
pub(crate) fn decide(policy: &Value, question: &Question) -> (bool, String) {
    let scope = question.operation.scope();
    let profile = policy.as_str().or(policy["profile"].as_str()).unwrap_or("default");
    match &policy[scope.name()] {
        Value::Null => (
            profile != "locked" || scope != Scope::Network,
            format!("profile:{profile}"),
        ),
        Value::String(mode) => (mode == "allow", format!("permissions.{scope}")),
        rule_set => walk(rule_set, scope, question),
    }
}

fn walk(rule_set: &Value, scope: Scope, question: &Question) -> (bool, String) {
    let default = rule_set["default"] == "allow";
    let mut decision = (default, format!("{scope}.default"));
    let candidates: Vec<Candidate> = match scope {
        Scope::Network => candidates(question),
        _ => Vec::new(),
    };
    let local = candidates.iter().any(|candidate| is_local(&candidate.host));
    match question.operation {
        Operation::NetworkListen if local => decision = (true, "implied".to_owned()),
        Operation::NetworkHttp | Operation::NetworkFetch | Operation::NetworkUdp if local && question.own_listener => {
            decision = (true, "implied".to_owned());
        }
        _ => {}
    }
    let mut matched = false;
    for (index, rule) in rule_set["rules"].as_array().unwrap().iter().enumerate() {
        if !has_operation(rule, question.operation) {
            continue;
        }
        let patterns = rule[scope.pattern_field()].as_array();
        let hit = patterns.is_none_or(|patterns| {
            let any = |pattern: &Value| match scope {
                Scope::Network => candidates
                    .iter()
                    .any(|candidate| candidate.fits(pattern.as_str().unwrap())),
                _ => fits(scope, pattern.as_str().unwrap(), &question.resources[0]),
            };
            patterns.iter().any(any)
        });
        if hit && !question.resources[0].is_empty() {
            matched = true;
            decision = (rule["mode"] == "allow", format!("permissions.{scope}.rules[{index}]"));
        }
    }
    if question.operation == Operation::NetworkDns && !matched && !default {
        return reachable(rule_set, &candidates, decision);
    }
    decision
}

/// Tries every port that a pattern names, and one that none names.
fn reachable(rule_set: &Value, candidates: &[Candidate], refused: (bool, String)) -> (bool, String) {
    let text = rule_set.to_string();
    let named = text
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse::<u16>().ok());
    let mut ports: Vec<u16> = named.filter(|port| *port > 0).collect();
    ports.push((1..).find(|port| !ports.contains(port)).unwrap());
    for (operation, scheme) in [(Operation::NetworkHttp, "tcp"), (Operation::NetworkUdp, "udp")] {
        for port in &ports {
            let resources = candidates
                .iter()
                .map(|candidate| format!("{scheme}://{}:{port}", candidate.host));
            let question = Question {
                operation,
                resources: resources.collect(),
                own_listener: true,
            };
            let (allowed, _) = walk(rule_set, Scope::Network, &question);
            if allowed {
                return (true, "reachable".to_owned());
            }
        }
    }
    refused
}

fn has_operation(rule: &Value, operation: Operation) -> bool {
    rule["operations"].as_array().is_none_or(|operations| {
        operations.iter().any(|given| {
            let same = |name: &str| match operation {
                Operation::NetworkFetch | Operation::NetworkHttp => matches!(name, "fetch" | "http"),
                _ => name == operation.name(),
            };
            given == "*" || same(given.as_str().unwrap())
        })
    })
}

struct Candidate {
    scheme: &'static str,
    host: String,
    port: Option<u16>,
}

fn candidates(question: &Question) -> Vec<Candidate> {
    let parse = |resource: &String| {
        let (scheme, rest) = resource.split_once("://").unwrap();
        let (host, port) = match scheme {
            "dns" => (rest, None),
            _ => rest
                .rsplit_once(':')
                .map(|(host, port)| (host, Some(port.parse().unwrap())))
                .unwrap(),
        };
        let scheme = ["tcp", "udp", "dns"]
            .into_iter()
            .find(|known| *known == scheme)
            .unwrap();
        let host = Host::parse(host).unwrap().as_str().to_owned();
        Candidate { scheme, host, port }
    };
    let mut all: Vec<Candidate> = question.resources.iter().map(parse).collect();
    let also = |host: &str, like: &Candidate| Candidate {
        scheme: like.scheme,
        host: host.to_owned(),
        port: like.port,
    };
    let first = also("", &all[0]);
    let listens = question.operation == Operation::NetworkListen;
    for (wildcard, loopback, other) in [("0.0.0.0", "127.0.0.1", "[::1]"), ("[::]", "[::1]", "127.0.0.1")] {
        if all.iter().any(|one| one.host == wildcard) {
            all.retain(|one| one.host != wildcard);
            all.push(also(loopback, &first));
            all.extend(listens.then(|| also(other, &first)));
        }
    }
    let loopback = |one: &Candidate| one.host == "[::1]" || is_127(&one.host);
    if question.operation != Operation::NetworkDns && all.iter().any(loopback) {
        all.push(also("localhost", &first));
    }
    all
}

fn is_127(host: &str) -> bool {
    host.starts_with("127.") && host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn is_local(host: &str) -> bool {
    host == "[::1]" || is_127(host) || host == "localhost" || host.ends_with(".localhost")
}

impl Candidate {
    fn fits(&self, pattern: &str) -> bool {
        if matches!(pattern, "*" | "**") {
            return true;
        }
        let (scheme, rest) = match pattern.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, pattern),
        };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (rest, None),
        };
        let scheme_fits = match (scheme, port) {
            (Some(scheme), _) => scheme.eq_ignore_ascii_case(self.scheme),
            (None, Some(_)) => self.scheme != "dns",
            (None, None) => true,
        };
        let port_fits = port.is_none_or(|port| port == "*" || port.parse().ok() == self.port);
        let host = match Host::parse(host) {
            Ok(host) => host.as_str().to_owned(),
            Err(_) => host.to_owned(),
        };
        scheme_fits
            && port_fits
            && glob(
                host.to_lowercase().trim_end_matches('.').as_bytes(),
                self.host.as_bytes(),
                None,
            )
    }
}

/// Whether a pattern of any scope but the network matches.
fn fits(scope: Scope, pattern: &str, resource: &str) -> bool {
    if matches!(pattern, "*" | "**") {
        return true;
    }
    match scope {
        Scope::Env => glob(pattern.as_bytes(), resource.as_bytes(), None),
        Scope::Tool => glob(pattern.as_bytes(), resource.as_bytes(), Some(b':')),
        _ if pattern.starts_with('/') => path(&parts(pattern), &parts(resource)),
        _ => {
            let last = resource.rsplit('/').next().unwrap();
            glob(pattern.as_bytes(), last.as_bytes(), Some(b'/'))
        }
    }
}

fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

fn path(pattern: &[&str], parts: &[&str]) -> bool {
    match (pattern.split_first(), parts.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((&"**", rest)), _) => (0..=parts.len()).any(|skip| path(rest, &parts[skip..])),
        (Some(_), None) => false,
        (Some((segment, rest)), Some((part, others))) => {
            glob(segment.as_bytes(), part.as_bytes(), None) && path(rest, others)
        }
    }
}

fn glob(pattern: &[u8], text: &[u8], never: Option<u8>) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            let taken = text.iter().take_while(|byte| Some(**byte) != never).count();
            (0..=taken).any(|skip| glob(rest, &text[skip..], never))
        }
        (Some((b'?', rest)), Some((byte, others))) => Some(*byte) != never && glob(rest, others, never),
        (Some((wanted, rest)), Some((byte, others))) => wanted == byte && glob(rest, others, never),
        _ => false,
    }
}
