//! Control groups of the host around VMs: they hold what they are to hold, and nothing of them is left.
//!
//! Left out unless asked for: they need a group that this process may divide. `tests/cgroups.sh` makes a machine that has some, and runs
//! these tests there as several users. `AGENTOS_TEST_CGROUP` is what the configuration would say.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]
#![cfg(jail)]

mod common;

use agentos_kernel::limits::Limits;
use agentos_kernel::process::{ExitStatus, Process, Signal};
use agentos_linux::{Cgroup, CgroupError, LinuxExecutor};
use common::{Vm, block, wait};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Set in processes that these tests start and kill.
const VICTIM: &str = "AGENTOS_TEST_VICTIM";
/// Where `tests/cgroups.sh` puts what it compiles from `cgroups/bomb.c`.
const BOMB: &str = "/usr/bin/bomb";

fn setting() -> Cgroup {
    let text = std::env::var("AGENTOS_TEST_CGROUP");
    text.unwrap_or_else(|_| "auto".into()).parse().unwrap()
}

fn executor() -> Arc<LinuxExecutor> {
    static SHARED: OnceLock<Arc<LinuxExecutor>> = OnceLock::new();
    let executor = SHARED.get_or_init(|| {
        agentos_kernel::descriptors::raise();
        let executor = LinuxExecutor::new();
        executor.set_cgroup(setting()).unwrap();
        assert_eq!(executor.probe().refusal(), None);
        assert!(found(&executor).is_ok(), "{:?}", found(&executor));
        executor
    });
    Arc::clone(executor)
}

/// What the probe says of control groups.
fn found(executor: &LinuxExecutor) -> Result<String, String> {
    let findings = &executor.probe().findings;
    let groups = findings.iter().find(|finding| finding.feature == "control groups");
    groups.unwrap().result.clone()
}

fn vm(change: impl FnOnce(&mut Limits)) -> Vm {
    let mut limits = Limits::default();
    change(&mut limits);
    Vm::with(vec![executor()], limits)
}

/// Small enough that what the host adds counts: 64 MiB for memory, 16 MiB for files, 192 threads with 32 KiB each, and 64 MiB.
fn small(limits: &mut Limits) {
    limits.max_memory_bytes = 64 << 20;
    limits.max_filesystem_bytes = 16 << 20;
    limits.max_processes = 8;
}
const SMALL: u64 = 150 << 20;

/// Groups of loaders below the node of this process, by the process that made them.
fn loaders(of: u32) -> Vec<PathBuf> {
    let node = match setting() {
        Cgroup::Below(path) => path,
        _ => own_group().parent().unwrap().to_owned(),
    };
    groups(&node, &format!("agentos-{of}-"))
}

fn own_group() -> PathBuf {
    group_of("self")
}

/// The group that a process is in.
fn group_of(process: &str) -> PathBuf {
    let text = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap();
    let own = text.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
    Path::new("/sys/fs/cgroup").join(own)
}

fn groups(below: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(below).unwrap().flatten();
    let is_one = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(prefix);
    entries.map(|entry| entry.path()).filter(is_one).collect()
}

fn text(group: &Path, file: &str) -> String {
    fs::read_to_string(group.join(file)).unwrap().trim().to_owned()
}

/// Processes in a group and below it.
fn processes(group: &Path) -> Vec<String> {
    let mut all: Vec<String> = text(group, "cgroup.procs").lines().map(str::to_owned).collect();
    groups(group, "vm-")
        .iter()
        .for_each(|group| all.extend(processes(group)));
    all
}

/// A guest that runs until it is killed, and the group that it is in.
fn guest(vm: &Vm, argv: &[&str]) -> (Arc<Process>, PathBuf) {
    let (from, stdout) = vm.pipe();
    let stays = vm
        .spawn(&["/usr/bin/bash", "-c", "echo up; exec sleep 1000"], &[(1, &stdout)])
        .unwrap();
    let mut up = [0; 3];
    assert_eq!(block(|waker| from.read(&mut up, Some(waker))), Ok(3));
    // The one that has somebody in it and is not another VM's: tests run one after another.
    let mut found: Vec<_> = loaders(std::process::id())
        .iter()
        .flat_map(|loader| groups(loader, "vm-"))
        .filter(|group| !processes(group).is_empty())
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    let group = found.remove(0);
    let process = match argv {
        [] => stays,
        _ => vm.spawn(argv, &[]).unwrap(),
    };
    (process, group)
}

#[test]
#[ignore = "needs a control group"]
fn guests_are_in_a_group_with_the_limits_of_their_vm_and_it_goes_with_them() {
    let vm = vm(|limits| {
        small(limits);
        limits.cpu_count = 1;
    });
    let (process, group) = guest(&vm, &[]);
    assert_eq!(text(&group, "memory.max"), SMALL.to_string());
    assert_eq!(text(&group, "pids.max"), "192");
    assert_eq!(text(&group, "cpu.max"), "100000 100000");
    for pid in processes(&group) {
        assert_eq!(group_of(&pid), group);
    }
    // Whoever they start is there, too, and a program of another kind of start.
    let inside = processes(&group).len();
    let (from, stdout) = vm.pipe();
    let script = "sleep 1000 & (sleep 1000 & exec sleep 1000) & echo up; wait";
    vm.spawn(&["/usr/bin/bash", "-c", script], &[(1, &stdout)]).unwrap();
    let mut up = [0; 3];
    assert_eq!(block(|waker| from.read(&mut up, Some(waker))), Ok(3));
    while processes(&group).len() < inside + 4 {
        std::thread::yield_now();
    }
    // This process itself is where nothing of a VM counts.
    assert!(!own_group().starts_with(&group));
    assert!(process.exit_status().is_none());
    drop(vm);
    while group.exists() {
        std::thread::yield_now();
    }
}

#[test]
#[ignore = "needs a control group"]
fn memory_ends_at_the_limit_and_nobody_else_is_concerned() {
    let other = vm(|_| {});
    for way in ["tables", "pages"] {
        let vm = vm(small);
        let bomb = vm.spawn(&[BOMB, way], &[]).unwrap();
        assert_eq!(wait(&bomb), ExitStatus::Signaled(Signal::KILL), "{way}");
        let limit = bomb.limit().unwrap();
        assert_eq!(limit.configuration_path, "limits.resources.maxMemoryBytes");
        if way == "tables" {
            // No look has seen these.
            assert_eq!(limit.capacity, SMALL);
        }
        assert!(limit.observed >= limit.capacity, "{limit:?}");
        assert_eq!(vm.sh("echo $((6 * 7))").ok(), "42\n");
        assert_eq!(other.sh("echo $((6 * 7))").ok(), "42\n");
    }
}

#[test]
#[ignore = "needs a control group"]
fn processes_end_at_the_limit_of_the_group_too() {
    let vm = vm(|limits| limits.max_processes = 40);
    let (from, stdout) = vm.pipe();
    let (_, group) = guest(&vm, &[]);
    assert_eq!(text(&group, "pids.max"), (40 * 16 + 64).to_string());
    // The VM's own limit comes first; a lower one shows that there is another behind it.
    fs::write(group.join("pids.max"), "12").unwrap();
    let bomb = vm.spawn(&[BOMB, "forks"], &[(1, &stdout)]).unwrap();
    assert_eq!(wait(&bomb), ExitStatus::Exited(0));
    let mut said = [0; 16];
    let count = block(|waker| from.read(&mut said, Some(waker))).unwrap();
    let said = String::from_utf8_lossy(&said[..count]).into_owned();
    let (made, refused) = said.trim().split_once(' ').unwrap();
    assert!((5..12).contains(&made.parse().unwrap()) && refused == "1", "{said}");
    fs::write(group.join("pids.max"), "704").unwrap();
    assert_eq!(vm.sh("echo $((6 * 7))").ok(), "42\n");
}

#[test]
#[ignore = "needs a control group"]
fn processor_time_is_that_of_as_many_processors_as_the_vm_has() {
    let vm = vm(|limits| limits.cpu_count = 1);
    let (_, group) = guest(&vm, &[BOMB, "spin"]);
    let used = || {
        let stat = text(&group, "cpu.stat");
        let used = stat.lines().find_map(|line| line.strip_prefix("usage_usec "));
        used.unwrap().parse::<u128>().unwrap()
    };
    let (before, start) = (used(), Instant::now());
    while used() - before < 2_000_000 {
        std::thread::yield_now();
    }
    let (used, time) = (used() - before, start.elapsed().as_micros());
    assert!(used * 100 < time * 115, "{used} µs of processors in {time} µs");
}

/// A host process that is killed; what its guests do begins when it says so.
struct Victim {
    host: Child,
    group: PathBuf,
    guests: Vec<String>,
}

impl Victim {
    fn start(test: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([test, "--exact", "--ignored", "--nocapture"])
            .env(VICTIM, "1");
        let mut host = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
        while lines.next().unwrap().unwrap() != "guests up" {}
        let mut found = loaders(host.id());
        assert_eq!(found.len(), 1, "{found:?}");
        let group = found.remove(0);
        let guests = processes(&group);
        assert!(guests.len() >= 3, "{guests:?}");
        Self { host, group, guests }
    }

    /// The child of the host process that is in none of its groups.
    fn guardian(&self) -> i32 {
        let pid = self.host.id();
        let children = (fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten())
            .map(|task| fs::read_to_string(task.path().join("children")).unwrap())
            .collect::<String>();
        let others: Vec<_> = children
            .split_whitespace()
            .filter(|pid| !self.guests.iter().any(|guest| guest == pid))
            .collect();
        let [guardian] = others[..] else { panic!("{others:?}") };
        guardian.parse().unwrap()
    }

    fn signal(&self, signal: i32) {
        // SAFETY: takes numbers alone; the process is this one's child and has not been waited for.
        assert_eq!(unsafe { libc::kill(self.host.id() as i32, signal) }, 0);
    }

    fn gone(mut self) {
        self.host.wait().unwrap();
        while self.group.exists() {
            std::thread::yield_now();
        }
        for guest in self.guests {
            assert!(!Path::new("/proc").join(&guest).exists(), "{guest}");
        }
    }
}

/// What a victim does.
fn victim() -> ! {
    let vm = vm(|_| {});
    let script = "for i in 1 2; do (trap '' HUP TERM; while :; do :; done) & done; echo up; wait";
    let (from, stdout) = vm.pipe();
    vm.spawn(&["/usr/bin/bash", "-c", script], &[(1, &stdout)]).unwrap();
    let mut up = [0; 3];
    assert_eq!(block(|waker| from.read(&mut up, Some(waker))), Ok(3));
    println!("\nguests up");
    std::io::stdout().flush().unwrap();
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
    std::process::exit(1)
}

#[test]
#[ignore = "needs a control group"]
fn a_host_that_is_killed_leaves_no_process_and_no_group() {
    if std::env::var_os(VICTIM).is_some() {
        victim();
    }
    executor();
    let victim = Victim::start("a_host_that_is_killed_leaves_no_process_and_no_group");
    victim.signal(libc::SIGKILL);
    victim.gone();
}

#[test]
#[ignore = "needs a control group"]
fn what_a_host_leaves_that_is_killed_with_its_guardian_the_next_one_removes() {
    if std::env::var_os(VICTIM).is_some() {
        victim();
    }
    executor();
    let test = "what_a_host_leaves_that_is_killed_with_its_guardian_the_next_one_removes";
    let mut first = Victim::start(test);
    first.signal(libc::SIGSTOP);
    // SAFETY: takes numbers alone; a child of a process that is stopped and does not wait for it.
    assert_eq!(unsafe { libc::kill(first.guardian(), libc::SIGKILL) }, 0);
    first.signal(libc::SIGKILL);
    first.host.wait().unwrap();
    // Children of children go on: nobody was there to end them.
    assert!(first.group.exists() && !processes(&first.group).is_empty());
    let second = Victim::start(test);
    first.gone();
    second.signal(libc::SIGKILL);
    second.gone();
}

#[test]
#[ignore = "needs a control group"]
fn where_groups_are_made_is_said_before_there_are_any() {
    let executor = executor();
    assert_eq!(executor.set_cgroup(setting()), Ok(()));
    assert_eq!(executor.set_cgroup(Cgroup::Off), Err(CgroupError::TooLate(setting())));
    if setting() == Cgroup::Own {
        assert!(own_group().ends_with("agentos-host"), "{:?}", own_group());
    }
    // A group with others in it cannot be divided, and is not.
    let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
    let busy = LinuxExecutor::new();
    let node = own_group();
    busy.set_cgroup(Cgroup::Below(node.clone())).unwrap();
    match found(&busy) {
        Err(why) => assert!(
            busy.probe().refusal().is_some() && why.contains(node.to_str().unwrap()),
            "{why}"
        ),
        Ok(found) => panic!("{found}"),
    }
    other.kill().unwrap();
    other.wait().unwrap();
    let nowhere = LinuxExecutor::new();
    nowhere.set_cgroup(Cgroup::Below("/tmp".into())).unwrap();
    let why = nowhere.probe().refusal().unwrap();
    assert!(why.contains("/tmp is no directory of a cgroup2 file system"), "{why}");
    let off = LinuxExecutor::new();
    off.set_cgroup(Cgroup::Off).unwrap();
    assert_eq!(
        (off.probe().refusal(), found(&off)),
        (None, Ok("off, as it was said".into()))
    );
    // SAFETY: takes nothing.
    if unsafe { libc::geteuid() } == 0 {
        // Nobody has marked what root could write to anyway.
        let auto = LinuxExecutor::new();
        assert_eq!(auto.probe().refusal(), None);
        assert!(found(&auto).unwrap_err().contains("was not delegated to this process"));
    }
}
