//! Nothing is left of VMs, whatever ran in them and however they ended: one process makes VMs again and again, has programs do a mix of
//! everything in them, ends these in the middle, and then has what it had after the first rounds.
//!
//! `AGENTOS_SOAK_SECONDS=600 cargo test --release -p agentos-linux --test soak` goes on for so long, `AGENTOS_SOAK_SEED=N` with these choices.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]
#![cfg(jail)]

mod common;
#[path = "soak/host.rs"]
mod host;
mod parks;

use agentos_kernel::limits::Limits;
use agentos_kernel::process::{Kernel, Process, Signal};
use common::{Vm, compile, wait};
use host::{Stock, more, resident, stock};
use parks::{NODE, Parks};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

/// What programs do.
const WHATS: &[&str] = &[
    "pipes", "tree", "threads", "inet", "names", "terminal", "watch", "memory", "locks", "timers", "run", "files",
];
/// VMs between two looks at what there is.
const BATCH: u32 = 12;
/// Most time that passes until nothing is left: threads of VMs wait three seconds for another program.
const PATIENCE: Duration = Duration::from_secs(120);
/// Memory that may be added, in KiB: what an allocator keeps for each of its threads.
const MEMORY: u64 = 96 << 10;

/// Numbers without a pattern (`xorshift64*`).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The seed is another one in each run, and printed.
fn numbers() -> Numbers {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let seed = number("AGENTOS_SOAK_SEED").unwrap_or(now.subsec_nanos().into());
    println!("AGENTOS_SOAK_SEED={seed}");
    Numbers(seed.wrapping_mul(2).wrapping_add(1))
}

/// Tests that look at what this process has are alone.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What programs are; a host process that is started to be killed is given them.
fn program() -> Option<&'static [u8]> {
    static PROGRAM: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    let made = PROGRAM.get_or_init(|| match std::env::var_os(GIVEN) {
        Some(path) => std::fs::read(path).ok(),
        None => compile(include_str!("soak/mix.c"), &["-static", "-O1", "-w", "-pthread"]),
    });
    made.as_deref()
}

fn new_vm() -> Option<Vm> {
    let vm = Vm::limited(|limits: &mut Limits| {
        limits.max_processes = 64;
        limits.max_memory_bytes = 512 << 20;
        // The host compares this with what its user has in flight anywhere.
        limits.max_open_fds_per_process = 20_000;
    })?;
    vm.put("/home/mix", program()?, 0o755);
    Some(vm)
}

/// One VM's life. What was done is added to `done`.
fn live(numbers: &mut Numbers, done: &mut Vec<String>) -> Weak<Kernel> {
    let vm = new_vm().unwrap();
    let kernel = Arc::downgrade(&vm.kernel);
    let (_from, output) = vm.pipe();
    let mut started: Vec<Arc<Process>> = Vec::new();
    let mut said = Vec::new();
    for _ in 0..=numbers.below(4) {
        let what = WHATS[numbers.below(WHATS.len() as u64) as usize];
        let seed = numbers.below(1 << 30).to_string();
        let mut line = vec!["/home/mix", what, &seed];
        if numbers.below(4) == 0 {
            line.push("stay");
        }
        said.push(line[1..].join(" "));
        started.extend(vm.spawn(&line, &[(0, &output), (1, &output), (2, &output)]));
    }
    drop(output);
    let end = numbers.below(6);
    // Some moment in the middle of what they do.
    let moment = Duration::from_micros(numbers.below(20_000));
    let init = vm.kernel.init();
    match end {
        0 => {}
        1 => std::thread::sleep(moment),
        2 => {
            std::thread::sleep(moment);
            for process in &started {
                let _ = init.kill(i32::try_from(process.pid().0).unwrap(), Signal::KILL);
            }
            for process in &started {
                wait(process);
            }
        }
        3 => {
            std::thread::sleep(moment);
            let _ = init.kill(-1, Signal::STOP);
            if numbers.below(2) == 0 {
                let _ = init.kill(-1, Signal::CONT);
            }
        }
        _ => {
            std::thread::sleep(moment);
            settle_kernel(&vm, &said);
        }
    }
    done.push(format!("[{}] end {end} after {moment:?}", said.join(", ")));
    kernel
}

/// Ends all that runs; then nothing of it is left in the VM's kernel.
fn settle_kernel(vm: &Vm, said: &[String]) {
    let start = Instant::now();
    loop {
        let _ = vm.kernel.init().kill(-1, Signal::KILL);
        let (usage, net) = (vm.kernel.usage(), vm.kernel.net());
        let left = BTreeMap::from([
            ("processes", usage.processes.used().saturating_sub(1)),
            ("descriptions", usage.open_fds.used().saturating_sub(1)),
            ("pipes", usage.pipes.used().saturating_sub(1)),
            ("memory", usage.memory.used()),
            ("sockets", net.sockets().used()),
            ("connections", net.connections().used()),
            ("bytes in sockets", net.buffered().used()),
            ("terminals", usage.ptys()),
        ]);
        let left: Vec<_> = left.into_iter().filter(|(_, count)| *count > 0).collect();
        if left.is_empty() {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{said:?} leave in the VM {left:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until this process has no more than before.
fn settle(before: &Stock, kernels: &[Weak<Kernel>], done: &[String]) -> Stock {
    let start = Instant::now();
    loop {
        let now = stock();
        let mut left = more(before, &now);
        let kernels = kernels.iter().filter(|kernel| kernel.strong_count() > 0).count();
        if kernels > 0 {
            left.push(format!("kernels: {kernels}"));
        }
        if left.is_empty() {
            return now;
        }
        assert!(start.elapsed() < PATIENCE, "left: {left:#?}\nof {done:#?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What one batch of VMs leaves: nothing but what was there before.
fn batch(numbers: &mut Numbers, before: Option<&Stock>) -> Stock {
    let (mut done, mut kernels) = (Vec::new(), Vec::new());
    for _ in 0..BATCH {
        kernels.push(live(numbers, &mut done));
    }
    match before {
        Some(before) => settle(before, &kernels, &done),
        None => {
            // Whatever stays for good is there after everything ran once; what does not has gone when its threads have.
            let is_idle = |now: &Stock| {
                !now.keys()
                    .any(|kind| kind.starts_with("thread: agentos-linux") || kind.contains("zombie"))
            };
            let start = Instant::now();
            while !is_idle(&stock()) || kernels.iter().any(|kernel| kernel.strong_count() > 0) {
                assert!(start.elapsed() < PATIENCE, "{:#?}\nof {done:#?}", stock());
                std::thread::sleep(Duration::from_millis(10));
            }
            stock()
        }
    }
}

#[test]
fn nothing_is_left_of_vms_however_they_end() {
    let _alone = alone();
    if common::executor().is_none() || program().is_none() {
        return;
    }
    let (mut numbers, start) = (numbers(), Instant::now());
    let long = Duration::from_secs(number("AGENTOS_SOAK_SECONDS").unwrap_or(8));
    let before = batch(&mut numbers, None);
    let memory = resident();
    let mut batches = 0;
    loop {
        batch(&mut numbers, Some(&before));
        batches += 1;
        if batches % 10 == 0 {
            println!(
                "{batches} batches, {:?}, {} KiB, before {memory}",
                start.elapsed(),
                resident()
            );
        }
        if start.elapsed() >= long {
            break;
        }
    }
    let now = resident();
    println!(
        "{batches} batches of {BATCH}: {now} KiB, before {memory}; {:#?}",
        stock()
    );
    assert!(now < memory + MEMORY, "{now} KiB, before {memory}");
}

#[test]
fn nothing_is_left_of_parked_processes() {
    let _alone = alone();
    if common::executor().is_none() || !common::has(NODE) {
        return;
    }
    let start = Instant::now();
    let long = Duration::from_secs(number("AGENTOS_SOAK_SECONDS").unwrap_or(0) / 4);
    // What they boot on stays as long as this process.
    let parks = Parks::new(2).unwrap();
    let round = || {
        parks.executor.park_node(2);
        parks.warm();
        let vm = parks.vm();
        vm.put("/tmp/a.js", b"console.log(1)", 0o644);
        assert_eq!(vm.run(&[NODE, "/tmp/a.js"]).ok(), "1\n");
        // One in the middle of its work, with those that are parked beside it.
        let other = parks.vm();
        other.put("/tmp/a.js", b"setInterval(() => {}, 1)", 0o644);
        let _process = other.spawn(&[NODE, "/tmp/a.js"], &[]).unwrap();
        parks.executor.park_node(0);
        [Arc::downgrade(&vm.kernel), Arc::downgrade(&other.kernel)]
    };
    let kernels = round();
    let before = {
        let start = Instant::now();
        while kernels.iter().any(|kernel| kernel.strong_count() > 0)
            || stock()
                .keys()
                .any(|kind| kind.starts_with("thread: agentos-linux") || kind.contains("(node"))
        {
            assert!(start.elapsed() < PATIENCE, "{:#?}", stock());
            std::thread::sleep(Duration::from_millis(10));
        }
        stock()
    };
    loop {
        let kernels = round();
        settle(&before, &kernels, &["parked processes".into()]);
        if start.elapsed() >= long {
            break;
        }
    }
}

/// Set in the processes that the next test starts and kills.
const VICTIM: &str = "AGENTOS_TEST_VICTIM";
/// The same: where the program is.
const GIVEN: &str = "AGENTOS_TEST_PROGRAM";

#[test]
fn killed_in_the_middle_the_host_process_leaves_nothing() {
    if let Some(seed) = number(VICTIM) {
        victim(seed);
    }
    let _alone = alone();
    if common::executor().is_none() || program().is_none() {
        return;
    }
    let (mut numbers, start) = (numbers(), Instant::now());
    let long = Duration::from_secs(number("AGENTOS_SOAK_SECONDS").unwrap_or(12) / 4);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), program().unwrap()).unwrap();
    let mut rounds = 0;
    while rounds < 4 || start.elapsed() < long {
        let seed = numbers.below(1 << 30);
        kill_one(file.path(), seed, Duration::from_micros(numbers.below(300_000)));
        rounds += 1;
    }
    println!("{rounds} host processes killed");
}

/// Starts a host process, kills it at some moment, and waits until nothing of it is left.
fn kill_one(program: &Path, seed: u64, moment: Duration) {
    use std::os::unix::fs::MetadataExt;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "killed_in_the_middle_the_host_process_leaves_nothing",
        "--exact",
        "--nocapture",
    ]);
    let mut host = command
        .env(GIVEN, program)
        .env(VICTIM, seed.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().any(|line| line.unwrap() == "begun"), "{VICTIM}={seed}");
    let places = common::places::places_of(host.id());
    let file = |place: &std::path::PathBuf| {
        std::fs::metadata(place.join("x"))
            .ok()
            .map(|file| (file.dev(), file.ino()))
    };
    let loaders: Vec<_> = places.iter().filter_map(file).collect();
    assert!(!loaders.is_empty(), "{VICTIM}={seed}");
    std::thread::sleep(moment);
    host.kill().unwrap();
    host.wait().unwrap();
    let executes = |entry: std::io::Result<std::fs::DirEntry>| {
        let exe = std::fs::metadata(entry.ok()?.path().join("exe")).ok()?;
        loaders.contains(&(exe.dev(), exe.ino())).then_some(())
    };
    let start = Instant::now();
    while std::fs::read_dir("/proc")
        .unwrap()
        .any(|entry| executes(entry).is_some())
        || places.iter().any(|place| place.exists())
    {
        assert!(
            start.elapsed() < PATIENCE,
            "{VICTIM}={seed} {moment:?}: something is left"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Goes on until it is killed, with several VMs at once.
fn victim(seed: u64) -> ! {
    std::thread::scope(|scope| {
        for thread in 0..2 {
            scope.spawn(move || {
                let mut numbers = Numbers((seed + (thread << 32)).wrapping_mul(2).wrapping_add(1));
                for round in 0.. {
                    live(&mut numbers, &mut Vec::new());
                    if round == 0 && thread == 0 {
                        // On a line of its own: with one processor the harness has begun one.
                        println!("\nbegun");
                    }
                }
            });
        }
    });
    std::process::exit(1)
}
