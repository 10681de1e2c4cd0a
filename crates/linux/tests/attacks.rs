//! Attempts to get out, or to break the supervisor. The program is `attacks/attacks.c`; what must come of each attempt stands in
//! `attacks/expected.txt`, and is compared both ways.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use agentos_kernel::limits::Limits;
use common::{Vm, compile};
use std::collections::BTreeMap;

fn lines(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .collect()
}

#[test]
fn every_attempt_ends_as_it_must() {
    common::container::again("every_attempt_ends_as_it_must");
    attempt(include_str!("attacks/attacks.c"), include_str!("attacks/expected.txt"));
}

#[test]
fn every_further_attempt_ends_as_it_must() {
    common::container::again("every_further_attempt_ends_as_it_must");
    attempt(include_str!("attacks/more.c"), include_str!("attacks/more.txt"));
}

fn attempt(source: &str, expected: &str) {
    let small = |limits: &mut Limits| {
        limits.max_processes = 64;
        limits.max_open_fds_per_process = 256;
    };
    let Some(vm) = Vm::limited(small) else { return };
    let Some(program) = compile(source, &["-static", "-w", "-pthread"]) else {
        return;
    };
    vm.put("/tmp/attacks", &program, 0o755);
    let ended = vm.run(&["/tmp/attacks"]);
    if let Some(to) = std::env::var_os("AGENTOS_ATTACKS_OUT") {
        std::fs::write(to, &ended.out).unwrap();
    }
    let (got, wanted) = (lines(&ended.out), lines(expected));
    let wrong: Vec<_> = wanted
        .iter()
        .filter(|(name, errno)| got.get(*name) != Some(errno))
        .collect();
    let extra: Vec<_> = got.iter().filter(|(name, _)| !wanted.contains_key(*name)).collect();
    let seen: Vec<_> = wrong.iter().map(|(name, _)| (name, got.get(**name))).collect();
    assert!(
        wrong.is_empty() && extra.is_empty(),
        "wanted {wrong:?}\ngot {seen:?}\nunknown {extra:?}\n{ended:?}"
    );
    // The supervisor serves the next one as before.
    assert_eq!(vm.run(&["/usr/bin/echo", "still"]).ok(), "still\n");
}
