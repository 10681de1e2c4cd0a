//! Executing programs where the host fails after the VM has agreed: nothing of the old program gets what is the new one's.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Vm, compile};

/// Whether one was ended, with what was counted.
fn forged(how: &str) -> Option<(bool, String)> {
    let vm = Vm::new()?;
    let program = compile(include_str!("execs/forged.c"), &["-static", "-pthread", "-O1"])?;
    vm.put("/tmp/forged", &program, 0o755);
    let ended = vm.run(&["/tmp/forged", how]);
    let (found, rest) = ended.out.split_once(' ').unwrap();
    assert_eq!(rest, "answered 0 other 0\n", "{}", ended.err);
    Some((found == "ended", ended.err))
}

#[test]
fn the_old_program_is_not_answered_in_the_place_of_the_loader() {
    let Some((was_ended, counts)) = forged("own") else {
        return;
    };
    assert!(was_ended, "{counts}");
}

#[test]
fn nor_is_one_that_lives_in_the_memory_of_another() {
    // The moment in which this can be tried is short: whoever lent the memory is held meanwhile.
    let _ = forged("shared");
}
