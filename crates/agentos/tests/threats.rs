//! The adversarial requirements of the security specification (section 9) that concern the host as a whole: T1, T3 to T8, T10.
//! What a guest may do is anything.
//!
//! Sizes fit a small machine; `AGENTOS_FULL=1` runs the numbers of the specification.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod support;

use agentos::{AgentOs, Event, ShellOptions, Signal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{install, limited, lives};
use tokio::sync::{Mutex, MutexGuard};

/// Tests that measure the process must not see each other.
async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

/// The first number, or the second if everything is wanted.
fn size(small: usize, full: usize) -> usize {
    match std::env::var_os("AGENTOS_FULL") {
        Some(_) => full,
        None => small,
    }
}

/// A value of `/proc/self/status`, in its unit.
fn status(name: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':')
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

fn resident_kib() -> usize {
    status("VmRSS")
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

async fn until_idle(vm: &AgentOs) {
    for process in vm.all_processes().await.unwrap() {
        let _ = vm.signal_process(process.pid, Signal::Kill).await;
    }
    while vm.usage().processes > 0 {
        tokio::task::yield_now().await;
    }
}

/// Prints a figure for whoever runs this with `--nocapture`.
fn seen(what: &str, figure: impl std::fmt::Debug) {
    println!("{what}: {figure:?}");
}

/// Where the requirements are tested, each by tests that are named after it.
const REQUIREMENTS: [&[&str]; 12] = [
    &["agentos/tests/threats.rs"],
    &["kernel/tests/quotas.rs", "agentos/tests/mounts.rs"],
    &[
        "agentos/tests/threats.rs",
        "agentos/tests/faults/files.rs",
        "agentos/tests/faults/network.rs",
    ],
    &["agentos/tests/threats.rs"],
    &["agentos/tests/threats.rs"],
    &["agentos/tests/threats.rs"],
    &["agentos/tests/threats.rs"],
    &["agentos/tests/threats.rs"],
    &["net/tests/bypass.rs", "agentos/tests/egress.rs"],
    &["agentos/tests/threats.rs"],
    &["kernel/tests/policy/t11.rs"],
    &["kernel/tests/posix.rs"],
];

#[test]
fn every_requirement_has_a_test_of_its_name() {
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (number, files) in (1..).zip(REQUIREMENTS) {
        for file in files {
            let text = std::fs::read_to_string(crates.join(file)).unwrap();
            let name = format!("fn t{number}_");
            let at = text
                .find(&name)
                .unwrap_or_else(|| panic!("{file} has no test of T{number}"));
            let before = text[..at].trim_end_matches("async ").trim_end();
            let attribute = before.lines().last().unwrap_or_default();
            assert!(
                attribute.starts_with("#[") && attribute.contains("test"),
                "{file}: {name} is no test"
            );
        }
    }
}

/// Abrupt ends, broken pipes, closed and wrong descriptors, full disks, undecodable data, traps, floods.
const ATTACKS: &[&str] = &[
    "exec 0<&- 1>&- 2>&-; cat; echo x",
    "yes | head -c 1 > /dev/null; yes | true; kill -PIPE $$",
    "head -c 100000000 /dev/zero > big; echo x > f; mkdir -p a/b/c; rm -rf a big f",
    "printf '\\377\\376\\000\\033[2J' > \"$(printf 'n\\377\\001')\"; ls; cat n*; rm n*",
    "printf '\\0asm\\001\\0\\0\\0garbage' > bad; chmod 755 bad; ./bad; printf '#!/no/such' > s; chmod 755 s; ./s; rm bad s",
    "ulimit -n 4; exec 3</dev/null; cat 9<&0 < /dev/null",
    "for i in 1 2 3 4 5 6 7 8; do (kill -KILL $$) & done; wait",
    "f() { f | f & }; f",
    "while :; do :; done & while :; do (:); done & sleep 0.2; kill -SEGV $$",
    "cat /proc/self/mem /proc/self/* /dev/random < /dev/null | head -c 100000 > /dev/null",
];

const TRAPS: &[&str] = &[
    "unreachable",
    "(drop (i32.div_s (i32.const 1) (i32.const 0)))",
    "(drop (i32.load (i32.const -1)))",
    "(call $start)",
    "(drop (memory.grow (i32.const 65535))) (drop (i32.load (i32.const -4)))",
    "(drop (call $read (i32.const -1) (i32.const -1) (i32.const -1) (i32.const -1)))",
    "(drop (call $read (i32.const 0) (i32.const 65532) (i32.const 1) (i32.const 65535)))",
];

/// So many rounds, and more until it is enough.
async fn attack(vm: AgentOs, rounds: usize, enough: Arc<AtomicBool>) {
    for (number, body) in TRAPS.iter().enumerate() {
        let module = format!(
            r#"(module (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1) (func $start (export "_start") {body}))"#
        );
        install(&vm, &format!("trap{number}.wasm"), &module).await;
    }
    let mut done = 0;
    while done < rounds || !enough.load(Ordering::Acquire) {
        done += 1;
        for script in ATTACKS {
            // It may be refused for lack of anything; that is an answer, too.
            let _ = vm.exec(*script).timeout(Duration::from_millis(300)).await;
        }
        let _ = vm.exec("for t in trap*.wasm; do ./$t; done").await;
        until_idle(&vm).await;
    }
}

/// The creation of a VM beside an attack takes less.
const QUICK: Duration = Duration::from_millis(100);

/// A wait that takes longer is a failure instead of a hang.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t1_no_guest_ends_the_host_or_delays_a_neighbour() {
    let _alone = alone().await;
    let attacker = limited(&[("maxProcesses", 32), ("maxFilesystemBytes", 16 << 20)]).await;
    let mut neighbours = Vec::new();
    for _ in 0..7 {
        neighbours.push(AgentOs::create().await.unwrap());
    }
    let enough = Arc::new(AtomicBool::new(false));
    let attack = tokio::spawn(attack(attacker.clone(), size(1, 20), Arc::clone(&enough)));
    let patience = Instant::now();
    let mut quickest = Duration::MAX;
    let mut answers = 0;
    while !attack.is_finished() {
        for vm in &neighbours {
            assert_eq!(vm.exec("echo alive").await.unwrap().stdout_text(), "alive\n");
            answers += 1;
        }
        let began = Instant::now();
        let fresh = AgentOs::create().await.unwrap();
        // The quickest of many tells what it costs; a single one may wait for the host's scheduler.
        quickest = quickest.min(began.elapsed());
        assert!(fresh.exists("/etc/passwd").await.unwrap());
        let seen_enough = answers >= 14 && quickest < QUICK;
        enough.store(seen_enough || patience.elapsed() > PATIENCE, Ordering::Release);
    }
    attack.await.expect("no attack ends a thread of the host");
    seen(
        "T1: answers of neighbours, creation at the quickest",
        (answers, quickest),
    );
    assert!(answers >= 14, "{answers}");
    assert!(quickest < QUICK, "{quickest:?}");
    lives(&attacker).await;
}

/// Guests that wait for somebody who will not come, and what ends the wait by taking that somebody away.
const WAITS: &[(&str, &str)] = &[
    (
        "a pipe to fill",
        "mkfifo f; (exec 9>f; kill -KILL $BASHPID) & exec 8< f; cat <&8",
    ),
    ("a reader", "yes | (read x; exit 3) ; exit ${PIPESTATUS[1]}"),
    ("a child", "(kill -KILL $BASHPID) & wait $!"),
    ("a program that does not exist", "/no/such/program"),
    (
        "a stopped child",
        "sh -c 'kill -STOP $$' & sleep 0.01; kill -KILL $!; wait $!",
    ),
    (
        "a directory that goes",
        "mkdir d; cd d; rmdir ../d; cat x; ls; cd ..; pwd",
    ),
    ("a server that ends", "true | nc 127.0.0.1 1 < /dev/null"),
    ("input that ends", "cat; read x"),
];

#[tokio::test]
async fn t3_every_wait_gets_an_answer() {
    let _alone = alone().await;
    let vm = limited(&[]).await;
    for (what, script) in WAITS {
        let output = vm.exec(*script).timeout(PATIENCE).await.unwrap();
        assert!(!output.timed_out, "{what}: {output:?}");
        until_idle(&vm).await;
    }
    // The host takes everything away while guests wait for it.
    let waits = [
        "cat",
        "sleep 1000",
        "mkfifo g; cat g",
        "sleep 1000 & wait",
        "sleep 1000 | cat",
        "read x < /dev/tty",
    ];
    for script in waits {
        let vm = AgentOs::create().await.unwrap();
        let mut process = vm
            .spawn("sh", ["-c", &format!("echo ready; {script}")])
            .start()
            .await
            .unwrap();
        process.first_output().await.unwrap();
        let call = tokio::spawn({
            let vm = vm.clone();
            async move { vm.exec(script).stdin("x".repeat(100_000)).await }
        });
        vm.dispose().await;
        let control = process.control();
        control.wait().await.unwrap();
        // An error or an end, but an answer.
        let _ = call.await.unwrap();
        assert!(vm.exec("true").await.is_err() && vm.read_file("/etc/passwd").await.is_err());
    }
}

#[tokio::test]
async fn t4_nothing_is_left_of_a_vm() {
    let _alone = alone().await;
    let cycle = |number: usize| async move {
        let vm = AgentOs::create().await.unwrap();
        vm.write_file("/home/user/f", vec![7; 10_000]).await.unwrap();
        if number.is_multiple_of(8) {
            lives(&vm).await;
            let _shell = vm.open_shell(ShellOptions::default()).await.unwrap();
            let _busy = vm.spawn("sh", ["-c", "while :; do :; done"]).start().await.unwrap();
        }
    };
    let cycles = size(400, 10_000);
    for number in 0..cycles / 4 {
        cycle(number).await;
    }
    let measure = || (resident_kib(), descriptors(), status("Threads"));
    let before = measure();
    for number in 0..cycles {
        cycle(number).await;
    }
    // Guests of the last VMs may still be ending.
    let mut after = measure();
    let patience = Instant::now();
    while (after.1 > before.1 || after.2 > before.2) && patience.elapsed() < PATIENCE {
        tokio::task::yield_now().await;
        after = measure();
    }
    assert!(
        after.1 <= before.1 && after.2 <= before.2,
        "descriptors, threads: {before:?} {after:?}"
    );
    let grown = after.0.saturating_sub(before.0);
    seen(
        "T4: cycles, grown KiB, (resident KiB, descriptors, threads) before and after",
        (cycles, grown, before, after),
    );
    // One page of each VM would be four times that; pools and the allocator breathe.
    assert!(grown < 3000 + cycles, "{grown} KiB in {cycles} cycles");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t5_more_work_than_cpus_waits_for_its_turn() {
    let _alone = alone().await;
    let busy = limited(&[("maxProcesses", 100)]).await;
    let mut spinners = Vec::new();
    for _ in 0..16 {
        spinners.push(busy.spawn("sh", ["-c", "while :; do :; done"]).start().await.unwrap());
    }
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let vms: Vec<AgentOs> = futures(4, AgentOs::create)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let mut work = Vec::new();
    for number in 0..10 * cpus {
        let vm = vms[number % vms.len()].clone();
        work.push(tokio::spawn(async move {
            let output = vm
                .exec(format!(
                    "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; echo {number}"
                ))
                .await;
            output.unwrap().stdout_text()
        }));
    }
    for (number, answer) in work.into_iter().enumerate() {
        assert_eq!(answer.await.unwrap(), format!("{number}\n"));
    }
    // The sixteen that spin got no more than the share of one VM, which the others do not starve either.
    assert!(busy.usage().cpu_time > Duration::from_millis(1));
    until_idle(&busy).await;
}

async fn futures<T, F: Future<Output = T>>(count: usize, make: impl Fn() -> F) -> Vec<T> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(make().await);
    }
    all
}

#[tokio::test]
async fn t6_an_idle_vm_costs_little() {
    let _alone = alone().await;
    lives(&AgentOs::create().await.unwrap()).await;
    let warm = futures(50, AgentOs::create).await;
    let count = size(300, 2000);
    let before = resident_kib();
    let vms = futures(count, AgentOs::create).await;
    let each = resident_kib().saturating_sub(before) * 1024 / count;
    seen("T6: bytes of an idle VM", each);
    assert!(each <= 64 << 10, "{each} bytes for each of {count} idle VMs");
    drop((warm, vms));
}

#[tokio::test]
async fn t7_what_guests_log_is_bounded() {
    let _alone = alone().await;
    let vm = limited(&[("maxCapturedOutputBytes", 64 << 10)]).await;
    lives(&vm).await;
    let before = resident_kib();
    let bytes = size(64 << 20, 10 << 30);
    let output = vm
        .exec(format!("head -c {bytes} /dev/zero >&2; echo end"))
        .await
        .unwrap();
    assert_eq!(
        (output.exit_code, output.stderr.len(), output.stderr_truncated),
        (0, 64 << 10, true)
    );
    assert_eq!(output.stdout_text(), "end\n");
    // Nobody takes what these write, so they wait.
    let silent = [
        vm.spawn("yes", [""; 0]).start().await.unwrap(),
        vm.spawn("yes", ["x"]).start().await.unwrap(),
    ];
    let pending = || {
        vm.usage()
            .limits
            .iter()
            .find(|used| used.limit == "pendingEventBytes")
            .unwrap()
            .observed
    };
    while pending() < 120 << 10 {
        tokio::task::yield_now().await;
    }
    assert!(pending() <= 128 << 10);
    let grown = resident_kib().saturating_sub(before);
    seen("T7: bytes written, grown KiB", (bytes, grown));
    assert!(grown < 48 << 10, "{grown} KiB for {bytes} bytes of output");
    drop(silent);
    until_idle(&vm).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t8_a_burst_of_creations_has_no_failure() {
    let _alone = alone().await;
    let tasks: Vec<_> = (0..size(200, 1000))
        .map(|number| {
            tokio::spawn(async move {
                let vm = AgentOs::create().await?;
                let output = vm.exec(format!("echo {number}")).await?;
                Ok::<_, agentos::Error>((vm, output.stdout_text()))
            })
        })
        .collect();
    let mut vms = Vec::new();
    for (number, task) in tasks.into_iter().enumerate() {
        let (vm, text) = task.await.unwrap().unwrap();
        assert_eq!(text, format!("{number}\n"));
        vms.push(vm);
    }
}

/// What somebody who writes a log, a protocol or a terminal might take for their own.
const FRAMES: &[&str] = &[
    r#"{"jsonrpc":"2.0","id":1,"method":"session/request_permission","params":{}}"#,
    r#"{"event":"security.vm.destroyed","time":0}"#,
    r#"{"exitCode":0,"stdout":"","timedOut":false}"#,
    "Content-Length: 2\r\n\r\n{}",
    "\x1b]0;title\x07\x1b[2J\x1b[?1049h\x1bP$q\x1b\\",
    "limit exceeded: maxProcesses: 65 of 64 processes (limits.resources.maxProcesses)",
    "\0\0\0\x04exit\0\0\0\0",
    "EXIT:0\n__AGENTOS_EXIT__ 0\n:::done:::0",
];

#[tokio::test]
async fn t10_output_is_never_taken_for_control() {
    let _alone = alone().await;
    let vm = limited(&[]).await;
    let mut events = vm.events();
    let mut frames = FRAMES.join("\n");
    frames.push('\n');
    vm.as_host().write_file("/home/user/frames", &frames).await.unwrap();
    let output = vm.exec("cat frames; cat frames >&2; exit 7").await.unwrap();
    assert_eq!(
        (output.exit_code, output.timed_out, output.limit.is_none()),
        (7, false, true)
    );
    assert_eq!(
        (&output.stdout[..], &output.stderr[..]),
        (frames.as_bytes(), frames.as_bytes())
    );
    // On a terminal and in names, too.
    let shell = vm.exec("for f in 1 2 3; do cat frames > /dev/null; done; cat frames > /proc/self/fd/1; exit 8");
    assert_eq!(shell.await.unwrap().exit_code, 8);
    let mut process = vm
        .spawn("sh", ["-c", "cat frames >&2; cat frames; kill -KILL $$"])
        .start()
        .await
        .unwrap();
    let mut bytes = 0;
    while let Some(output) = process.next_output().await.unwrap() {
        bytes += output.data.len();
    }
    assert_eq!((bytes, process.wait().await.unwrap()), (2 * frames.len(), 137));
    // Nothing of it became an event; what is reported of a guest is one printable line.
    let full = limited(&[("maxInodeCount", 3)]).await;
    let mut refused = full.events();
    full.exec("for i in 1 2 3 4 5; do mkdir \"$(printf 'a\\n{\"event\":\"forged\"}\\033[2J')$i\"; done")
        .await
        .unwrap();
    let Some(Event::Audit(entry)) = refused.next().await else {
        panic!("no entry")
    };
    let line = entry.to_json().to_string();
    assert!(
        line.chars().all(|c| !c.is_control()) && !line.contains("forged"),
        "{line}"
    );
    drop((vm, process));
    while let Some(event) = events.next().await {
        assert!(
            matches!(&event, Event::Audit(entry) if entry.kind.name() == "security.vm.destroyed"),
            "{event:?}"
        );
    }
}
