//! Random inputs for a bounded time.
//!
//! Every input is made from a seed; a failing one is named by it: `cargo run --release -p agentos-fuzz -- --seed SEED TARGET`.

use crate::targets::{self, Target};
use clap::Parser;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Runs fuzz targets with random inputs.
#[derive(Debug, Parser)]
struct Args {
    /// Seconds for each target.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Run exactly the input of this seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Targets; all unless named.
    targets: Vec<String>,
}

/// Largest input in bytes.
const INPUT_MAX: u64 = 2048;

/// Parses the command line and runs.
pub fn main() -> ExitCode {
    let args = Args::parse();
    let mut failed = 0;
    let mut passed = 0;
    for target in targets::ALL {
        if !args.targets.is_empty() && !args.targets.iter().any(|name| name == target.name) {
            continue;
        }
        if fuzz(target, &args) { passed += 1 } else { failed += 1 }
    }
    report(&format!("{passed} passed, {failed} failed"));
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn fuzz(target: &Target, args: &Args) -> bool {
    let end = Instant::now() + Duration::from_secs(args.seconds);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Only which inputs are tried depends on the time; each can be run again by its seed.
    let mut seed = args.seed.unwrap_or_else(|| now.as_nanos() as u64);
    let mut inputs = 0;
    loop {
        let input = input(seed);
        if catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_err() {
            report(&format!("{}: failed, --seed {seed} runs it again", target.name));
            return false;
        }
        inputs += 1;
        if args.seed.is_some() || Instant::now() >= end {
            report(&format!("{}: {inputs} inputs", target.name));
            return true;
        }
        seed = seed.wrapping_add(1);
    }
}

/// The input of a seed: SplitMix64 bytes, long or short.
fn input(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let words = next() % (INPUT_MAX / 8);
    (0..words).flat_map(|_| next().to_le_bytes()).collect()
}

#[allow(clippy::print_stdout)]
fn report(line: &str) {
    println!("{line}");
}
