//! Inputs for a bounded time: the committed ones of `fuzz/seeds`, then random ones.
//!
//! Every random input is made from a seed; a failing one is named by it, and
//! `cargo run --release -p agentos-fuzz -- --seed SEED TARGET` runs it again. It is also written to `fuzz/artifacts`; what
//! was mended belongs into `fuzz/seeds/TARGET`. An input that takes a minute is a failure too, and ends the run.

use crate::targets::{self, Target};
use clap::Parser;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Runs fuzz targets with committed and random inputs.
#[derive(Debug, Parser)]
struct Args {
    /// Seconds for each target.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Run exactly the input of this seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Run exactly this file.
    #[arg(long)]
    input: Option<PathBuf>,
    /// Targets; all unless named.
    targets: Vec<String>,
}

/// Largest random input in bytes.
const INPUT_MAX: u64 = 2048;

/// Longest time that one input may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Parses the command line and runs.
pub fn main() -> ExitCode {
    let args = Args::parse();
    let known = |name: &&String| targets::ALL.iter().all(|target| target.name != name.as_str());
    if let Some(name) = args.targets.iter().find(known) {
        let names: Vec<&str> = targets::ALL.iter().map(|target| target.name).collect();
        report(&format!("unknown target {name:?} (known: {})", names.join(", ")));
        return ExitCode::FAILURE;
    }
    let chosen = |target: &&Target| args.targets.is_empty() || args.targets.iter().any(|name| name == target.name);
    let failed = targets::ALL
        .iter()
        .filter(chosen)
        .filter(|target| !fuzz(target, &args))
        .count();
    report(&format!("{failed} targets failed"));
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn fuzz(target: &Target, args: &Args) -> bool {
    let watch = Watch::start(target.name);
    let outcome = if let Some(path) = &args.input {
        std::fs::read(path).is_ok_and(|input| watch.run(target, &input, &path.display().to_string()))
    } else if let Some(seed) = args.seed {
        watch.run(target, &input(target, seed), &format!("--seed {seed}"))
    } else {
        committed(target).all(|(path, input)| watch.run(target, &input, &format!("--input {}", path.display())))
            && random(target, args.seconds, &watch)
    };
    if outcome {
        report(&format!("{}: {} inputs", target.name, watch.runs.get()));
    }
    outcome
}

fn random(target: &Target, seconds: u64, watch: &Watch) -> bool {
    let end = Instant::now() + Duration::from_secs(seconds);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Only which inputs are tried depends on the time; each can be run again by its seed.
    let first = now.as_nanos() as u64;
    report(&format!("{}: from seed {first}", target.name));
    for seed in first.. {
        if Instant::now() >= end {
            break;
        }
        let input = input(target, seed);
        if !watch.run(target, &input, &format!("--seed {seed}")) {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts");
            // The seed was printed; the file is for convenience.
            let _ = std::fs::create_dir_all(&folder)
                .and_then(|()| std::fs::write(folder.join(format!("{}-{seed}", target.name)), &input));
            return false;
        }
    }
    true
}

/// Ends the program when an input takes too long: a thread that hangs cannot be stopped in another way.
struct Watch {
    begin: mpsc::Sender<Option<String>>,
    runs: std::cell::Cell<u64>,
}

impl Watch {
    fn start(target: &'static str) -> Self {
        let (begin, events) = mpsc::channel::<Option<String>>();
        std::thread::spawn(move || {
            let mut running: Option<String> = None;
            loop {
                let event = match &running {
                    None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
                    Some(_) => events.recv_timeout(PATIENCE),
                };
                match event {
                    Ok(now) => running = now,
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        let input = running.unwrap_or_default();
                        report(&format!("{target}: hangs, {input} runs it again"));
                        std::process::exit(1);
                    }
                }
            }
        });
        Self {
            begin,
            runs: std::cell::Cell::new(0),
        }
    }

    fn run(&self, target: &Target, input: &[u8], name: &str) -> bool {
        self.runs.set(self.runs.get() + 1);
        // The thread lives as long as this value.
        let _ = self.begin.send(Some(name.to_owned()));
        let passed = catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_ok();
        let _ = self.begin.send(None);
        if !passed {
            report(&format!(
                "{}: failed, {name} {} runs it again",
                target.name, target.name
            ));
        }
        passed
    }
}

/// The committed inputs of a target, in the order of their names.
fn committed(target: &Target) -> impl Iterator<Item = (PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target.name);
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
        .into_iter()
        .filter_map(|path| Some((path.clone(), std::fs::read(path).ok()?)))
}

/// The input of a seed: random bytes, long or short, or a committed input with some bytes changed.
fn input(target: &Target, seed: u64) -> Vec<u8> {
    let mut random = SplitMix(seed);
    let committed: Vec<Vec<u8>> = committed(target).map(|(_, input)| input).collect();
    let pick = random.next() as usize;
    if pick.is_multiple_of(2) && !committed.is_empty() {
        let mut input = committed[pick / 2 % committed.len()].clone();
        for _ in 0..1 + random.next() % 8 {
            let (at, byte) = (random.next() as usize, random.next().to_le_bytes()[0]);
            if !input.is_empty() {
                let at = at % input.len();
                input[at] = byte;
            }
        }
        return input;
    }
    let words = random.next() % (INPUT_MAX / 8);
    (0..words).flat_map(|_| random.next().to_le_bytes()).collect()
}

/// Sebastiano Vigna's SplitMix64: the same numbers from the same seed, everywhere.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[allow(clippy::print_stdout)]
fn report(line: &str) {
    println!("{line}");
}
