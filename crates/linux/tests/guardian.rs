//! Nothing outlives the host process, however and whenever it ends, and no guest runs without somebody who would see to that.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]
#![cfg(jail)]

mod common;

use agentos_kernel::limits::Limits;
use agentos_kernel::process::{ExitStatus, Signal};
use common::container::{again, is_inside};
use common::places::places_of;
use common::{Vm, block, compile, wait};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Set in the processes that these tests start and kill: what their guests do.
const VICTIM: &str = "AGENTOS_TEST_VICTIM";

/// What guests of a victim do, for ever, in a language that needs no other file.
const WAYS: &[(&str, &str)] = &[
    ("forks", "bomb() { bomb & bomb; }; bomb"),
    ("deep", "deep() { (deep); sleep 1000; }; deep"),
    (
        "execs",
        "for i in 1 2 3 4; do (while :; do /usr/bin/true; done) & done; wait",
    ),
    (
        "daemons",
        "while :; do (setsid bash -c 'trap \"\" HUP TERM; sleep 1000 & :' &); sleep 0.01; done",
    ),
    (
        "sessions",
        "for i in 1 2 3 4; do setsid bash -c 'trap \"\" HUP TERM INT; while :; do :; done' & done; wait",
    ),
    (
        "files",
        "while :; do for d in /usr/*; do cd $d; done; ls -R /usr/share/doc > /dev/null; done",
    ),
    (
        "calls",
        "for i in 1 2 3 4; do (while :; do [ -e /nothing ]; done) & done; wait",
    ),
];

/// A host process whose guests do what it was told, from when it says so.
struct Victim {
    host: Child,
    output: BufReader<std::process::ChildStdout>,
    /// Where its loaders are.
    places: BTreeSet<PathBuf>,
    /// What its guests execute.
    loaders: Vec<(u64, u64)>,
    guardians: Vec<Guardian>,
}

/// A process that is watched.
struct Guardian {
    pid: u32,
    fd: OwnedFd,
}

impl Guardian {
    fn wait(&self) {
        let mut poll = libc::pollfd {
            fd: self.fd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one structure is readable and writable.
        while unsafe { libc::poll(&raw mut poll, 1, -1) } != 1 {}
    }
}

impl Victim {
    fn start(test: &str, way: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([test, "--exact", "--nocapture"]).env(VICTIM, way);
        let mut host = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(host.stdout.take().unwrap());
        let mut victim = Self {
            host,
            output,
            places: BTreeSet::new(),
            loaders: Vec::new(),
            guardians: Vec::new(),
        };
        victim.line("guests up");
        victim.look();
        victim
    }

    /// Finds loaders and guardians.
    fn look(&mut self) {
        let host = self.host.id();
        let places = places_of(host);
        self.loaders = executables(&places);
        assert!(!self.loaders.is_empty(), "it has guests");
        let pids: Vec<_> = self.loaders.iter().map(|file| guardian(&places, *file)).collect();
        self.places.extend(places);
        // SAFETY: takes numbers alone, and the descriptor is new.
        let open =
            |pid: u32| unsafe { OwnedFd::from_raw_fd(libc::syscall(libc::SYS_pidfd_open, pid, 0).try_into().unwrap()) };
        self.guardians = pids.into_iter().map(|pid| Guardian { pid, fd: open(pid) }).collect();
    }

    fn line(&mut self, start: &str) -> String {
        let mut line = String::new();
        while !line.starts_with(start) {
            line.clear();
            assert!(
                self.output.read_line(&mut line).unwrap() > 0,
                "the host process ended early"
            );
        }
        line
    }

    fn signal(&self, signal: i32) {
        // SAFETY: takes numbers alone; the process is this one's child and has not been waited for.
        assert_eq!(unsafe { libc::kill(self.host.id() as i32, signal) }, 0);
    }

    /// Waits for its end and that of its guardians, and then nothing of it is left: no process, no directory.
    fn gone(mut self) {
        self.host.wait().unwrap();
        // Nobody but the host process has an end of this.
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        self.guardians.iter().for_each(Guardian::wait);
        self.places.retain(|place| place.exists());
        assert_eq!(self.places, BTreeSet::new());
        self.loaders.iter().for_each(|file| until_none_executes(*file));
    }
}

/// What the guests of a host process execute.
fn executables(places: &BTreeSet<PathBuf>) -> Vec<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let files = places.iter().filter_map(|dir| fs::metadata(dir.join("x")).ok());
    files.map(|file| (file.dev(), file.ino())).collect()
}

/// Processes that execute a file.
fn executing(file: (u64, u64)) -> BTreeSet<u32> {
    use std::os::unix::fs::MetadataExt;
    let numbers = fs::read_dir("/proc").unwrap().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_one = |pid: &u32| fs::metadata(format!("/proc/{pid}/exe")).is_ok_and(|exe| (exe.dev(), exe.ino()) == file);
    numbers.filter(is_one).collect()
}

/// Waits for those that have been killed in the moment in which they began to execute the file: they are on their way out.
fn until_none_executes(file: (u64, u64)) {
    while !executing(file).is_empty() {
        std::thread::yield_now();
    }
}

/// The host process of a victim: starts guests, says so, and waits; or does what it is told.
fn victim(way: &str) -> ! {
    let vm = Vm::limited(|limits: &mut Limits| limits.max_processes = 48).unwrap();
    let script = WAYS
        .iter()
        .find(|(name, _)| *name == way)
        .map_or("sleep 1000", |(_, script)| script);
    let (from, stdout) = vm.pipe();
    let started = format!("echo up; exec > /dev/null 2>&1; {script}");
    let process = vm.spawn(&["/usr/bin/bash", "-c", &started], &[(1, &stdout)]).unwrap();
    drop(stdout);
    let mut up = [0; 3];
    assert_eq!(block(|waker| from.read(&mut up, Some(waker))).unwrap(), 3);
    // On a line of its own: with one processor the harness has begun one.
    println!("\nguests up");
    for line in std::io::stdin().lines() {
        match line.unwrap().as_str() {
            "run" => println!("ran {}", vm.sh("echo $((6 * 7))").ok().trim()),
            "wait" => println!("ended {:?}", wait(&process)),
            "end" => std::process::exit(0),
            _ => {}
        }
    }
    // Whoever started it is gone.
    std::process::exit(1)
}

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

#[test]
fn killed_at_any_moment_it_leaves_nothing() {
    if let Ok(way) = std::env::var(VICTIM) {
        victim(&way);
    }
    again("killed_at_any_moment_it_leaves_nothing");
    if common::executor().is_none() {
        return;
    }
    let mut numbers = Numbers(0x5eed);
    for (way, _) in WAYS {
        let victim = Victim::start("killed_at_any_moment_it_leaves_nothing", way);
        // Some moment in the first tenth of a second; what is true then is true at every other.
        std::thread::sleep(std::time::Duration::from_micros(numbers.next(100_000)));
        victim.signal(libc::SIGKILL);
        victim.gone();
    }
}

#[test]
fn ended_or_stopped_and_killed_it_leaves_nothing() {
    if let Ok(way) = std::env::var(VICTIM) {
        victim(&way);
    }
    if common::executor().is_none() {
        return;
    }
    let test = "ended_or_stopped_and_killed_it_leaves_nothing";
    let mut asked = Victim::start(test, "sessions");
    asked.host.stdin.take().unwrap().write_all(b"end\n").unwrap();
    asked.gone();
    for signal in [libc::SIGTERM, libc::SIGABRT, libc::SIGQUIT] {
        let victim = Victim::start(test, "daemons");
        victim.signal(signal);
        victim.gone();
    }
    // Guests wait in calls that a stopped supervisor does not answer, and end with it.
    let stopped = Victim::start(test, "calls");
    stopped.signal(libc::SIGSTOP);
    stopped.signal(libc::SIGKILL);
    stopped.gone();
}

#[test]
fn a_supervisor_that_was_stopped_goes_on() {
    if let Ok(way) = std::env::var(VICTIM) {
        victim(&way);
    }
    if common::executor().is_none() {
        return;
    }
    let mut victim = Victim::start("a_supervisor_that_was_stopped_goes_on", "calls");
    for _ in 0..10 {
        victim.signal(libc::SIGSTOP);
        victim.signal(libc::SIGCONT);
    }
    victim.host.stdin.as_mut().unwrap().write_all(b"run\n").unwrap();
    assert_eq!(victim.line("ran"), "ran 42\n");
    victim.signal(libc::SIGKILL);
    victim.gone();
}

#[test]
fn without_its_guardian_no_guest_goes_on_and_the_next_has_another() {
    if let Ok(way) = std::env::var(VICTIM) {
        victim(&way);
    }
    again("without_its_guardian_no_guest_goes_on_and_the_next_has_another");
    if common::executor().is_none() {
        return;
    }
    let test = "without_its_guardian_no_guest_goes_on_and_the_next_has_another";
    for way in ["forks", "sessions", "calls"] {
        let mut victim = Victim::start(test, way);
        let [guardian] = &victim.guardians[..] else { panic!() };
        // SAFETY: takes numbers alone. The host process has not waited for the guardian while that lives.
        assert_eq!(unsafe { libc::kill(guardian.pid as i32, libc::SIGKILL) }, 0);
        let (first, places) = (victim.loaders[0], victim.places.clone());
        let input = victim.host.stdin.as_mut().unwrap();
        input.write_all(b"wait\nrun\n").unwrap();
        let killed = format!("ended {:?}\n", ExitStatus::Signaled(Signal::KILL));
        assert_eq!(victim.line("ended"), killed);
        assert_eq!(victim.line("ran"), "ran 42\n");
        // The first loader goes with its last guest.
        common::settled(|| places.iter().all(|place| !place.exists()));
        until_none_executes(first);
        // The second has a guardian that does its duty.
        victim.look();
        victim.signal(libc::SIGKILL);
        victim.gone();
    }
}

/// The one process that executes the loader and has its directory as an argument.
fn guardian(places: &BTreeSet<PathBuf>, file: (u64, u64)) -> u32 {
    let named = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let first = line.split(|byte| *byte == 0).nth(1).unwrap_or_default();
        places.iter().any(|dir| dir.as_os_str().as_encoded_bytes() == first)
    };
    executing(file).into_iter().find(named).unwrap()
}

#[test]
fn a_flood_of_calls_stops_nobody_else() {
    if is_inside() {
        return;
    }
    let Some(vm) = Vm::new() else { return };
    let source = r#"
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>
static void *flood(void *unused) {
    struct stat s;
    for (;;) stat("/nothing/at/all", &s);
    return unused;
}
int main(void) {
    pthread_t thread;
    for (int i = 0; i < 64; i++) pthread_create(&thread, 0, flood, 0);
    write(1, "up\n", 3);
    for (;;) pause();
}
"#;
    let Some(program) = compile(source, &["-static", "-pthread"]) else {
        return;
    };
    vm.put("/tmp/flood", &program, 0o755);
    let (from, stdout) = vm.pipe();
    let flood = vm.spawn(&["/tmp/flood"], &[(1, &stdout)]).unwrap();
    let mut up = [0; 3];
    assert_eq!(block(|waker| from.read(&mut up, Some(waker))), Ok(3));
    assert_eq!(
        vm.sh("mkdir /tmp/d; echo served > /tmp/d/f; cat /tmp/d/f").ok(),
        "served\n"
    );
    vm.kernel
        .init()
        .kill(i32::try_from(flood.pid().0).unwrap(), Signal::KILL)
        .unwrap();
    assert_eq!(wait(&flood), ExitStatus::Signaled(Signal::KILL));
}
