//! The fuzz target of agents, on inputs that are the same each time: what the fuzzer plays for hours is played here for a moment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, unreachable_pub)]

#[path = "../../../fuzz/src/targets/agent.rs"]
mod agent;
#[path = "../../../fuzz/src/input.rs"]
mod input;

use proptest::prelude::*;

#[test]
fn short_inputs() {
    agent::run(b"");
    for first in 0..=255_u8 {
        agent::run(&[first]);
        agent::run(&[2, first, 0, 0, 0, 0, 0, 0]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn long_inputs(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        agent::run(&bytes);
    }
}
