//! What a decision of the permission policy costs.
//!
//! `policy_cached` asks again about a file that was asked about before; `policy_256` asks about ever new files under 256
//! rules of two patterns. The baseline of both is the obvious program: walk the rules, try each pattern with a recursive
//! matcher, keep the last that matches. It decides the same questions under the same rules in the same run.

use super::Scale;
use super::row::Row;
use crate::error::Error;
use agentos::Policy;
use agentos::policy::{Mode, Operation, Rule, Rules, Scope};
use std::hint::black_box;
use std::time::Instant;

/// Measures both rows.
pub(crate) async fn decisions(scale: Scale) -> Result<Vec<Row>, Error> {
    let written = rules();
    let policy = compile(&written)?;
    let same = path(77, 0);
    let again = |_: usize| policy.check(Operation::FsRead, black_box(same.as_bytes())).is_ok();
    let naive_again = |_: usize| naive(&written, black_box(&same));
    let cached = Row::new("policy_cached", "ns", samples(scale, again))
        .against_row(&Row::new("naive evaluator", "ns", samples(scale, naive_again)))
        .goal(100.0);

    let paths: Vec<String> = (0..20_000).map(|index| path(index * 7, index)).collect();
    let fresh = |index: usize| {
        policy
            .check(Operation::FsRead, black_box(paths[index % paths.len()].as_bytes()))
            .is_ok()
    };
    let naive_fresh = |index: usize| naive(&written, black_box(&paths[index % paths.len()]));
    for (index, path) in paths.iter().enumerate() {
        if fresh(index) != naive(&written, path) {
            return Err(Error::Usage(format!("bench: the evaluators disagree about {path}")));
        }
    }
    let micros = |samples: Vec<f64>| samples.into_iter().map(|nanos| nanos / 1000.0).collect();
    let uncached = Row::new("policy_256", "us", micros(samples(scale, fresh)))
        .against_row(&Row::new("naive evaluator", "us", micros(samples(scale, naive_fresh))))
        .goal(1.0);
    Ok(vec![cached, uncached])
}

/// Nanoseconds of one decision, each the mean of a batch: a clock would cost as much as the decision.
fn samples(scale: Scale, mut decide: impl FnMut(usize) -> bool) -> Vec<f64> {
    let mut next = 0;
    let mut batch = || {
        let start = Instant::now();
        for _ in 0..BATCH {
            black_box(decide(next));
            next += 1;
        }
        start.elapsed().as_secs_f64() * 1e9 / BATCH as f64
    };
    (0..scale.of(200)).map(|_| batch()).collect()
}

/// Mode and patterns of each rule.
type Written = Vec<(Mode, [String; 2])>;

fn rules() -> Written {
    let rule = |index: usize| {
        let mode = if index.is_multiple_of(3) {
            Mode::Deny
        } else {
            Mode::Allow
        };
        (
            mode,
            [
                format!("/workspace/project{index}/**"),
                format!("/home/*/dir{index}/*.rs"),
            ],
        )
    };
    (0..256).map(rule).collect()
}

fn path(project: usize, file: usize) -> String {
    format!("/workspace/project{}/src/module/file{file}.rs", project % 256)
}

fn compile(written: &Written) -> Result<Policy, Error> {
    let rules = written.iter().fold(Rules::new(Mode::Deny), |rules, (mode, patterns)| {
        let rule = match mode {
            Mode::Allow => Rule::allow(),
            Mode::Deny => Rule::deny(),
        };
        rules.rule(rule.patterns(patterns.clone()))
    });
    let policy = Policy::builder().rules(Scope::Fs, rules).build();
    Ok(policy.map_err(agentos::Error::from)?)
}

/// The baseline.
fn naive(written: &Written, path: &str) -> bool {
    let matches = |pattern: &String| glob(pattern.as_bytes(), path.as_bytes());
    let decisive = written.iter().rfind(|(_, patterns)| patterns.iter().any(matches));
    decisive.is_some_and(|(mode, _)| *mode == Mode::Allow)
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        b"/**" => text.is_empty() || text[0] == b'/',
        [b'*', rest @ ..] => {
            let end = text.iter().position(|&byte| byte == b'/').unwrap_or(text.len());
            (0..=end).any(|skip| glob(rest, &text[skip..]))
        }
        [wanted, rest @ ..] => text.first() == Some(wanted) && glob(rest, &text[1..]),
    }
}

/// Decisions of one sample.
const BATCH: usize = 1000;
