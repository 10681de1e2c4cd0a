//! Parked processes of Node.js: what they show, whom they serve, and that nothing of one VM is in another's.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod common;
mod parks;

use agentos_kernel::process::{ExitStatus, Signal};
use agentos_linux::ParkedNode;
use common::{Vm, drain, wait};
use parks::{NODE, Parks};
use std::io::BufRead;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

const SHOWS: &str = "
    const { argv, argv0, execArgv, env, title, pid, ppid, execPath } = process;
    console.log(JSON.stringify({ argv, argv0, execArgv, env, title, execPath, cwd: process.cwd(), main: require.main === module,
      cached: Object.keys(require.cache), same: pid === require('fs').readlinkSync('/proc/self') * 1, parent: typeof ppid,
      out: process.stdout.constructor.name, in: process.stdin.constructor.name, uid: process.getuid() }));";

#[test]
fn a_parked_process_is_what_a_fresh_one_would_be() {
    // One for the VM that warms the pool, one for who has none, one for this test's.
    let Some(parks) = Parks::new(4) else { return };
    let fresh = {
        let vm = Vm::new().unwrap();
        vm.put("/tmp/shows.js", SHOWS.as_bytes(), 0o644);
        vm.run(&[NODE, "/tmp/shows.js", "a b", "-c"]).ok()
    };
    parks.warm();
    let vm = parks.vm();
    vm.put("/tmp/shows.js", SHOWS.as_bytes(), 0o644);
    let before = parks.stand();
    assert_eq!(vm.run(&[NODE, "/tmp/shows.js", "a b", "-c"]).ok(), fresh);
    assert_eq!(parks.stand().claimed, before.claimed + 1, "{:?}", parks.stand());
    // Its thread parks the next one itself.
    parks.wait_for("the VM's own", |stand| stand.parked == 3);
    assert_eq!(vm.run(&[NODE, "/tmp/shows.js", "a b", "-c"]).ok(), fresh);
    assert_eq!(parks.stand().claimed, before.claimed + 2, "{:?}", parks.stand());
}

#[test]
fn a_vm_in_which_node_would_have_seen_something_else_gets_a_fresh_process() {
    let Some(parks) = Parks::new(1) else { return };
    parks.warm();
    let vm = parks.vm();
    // Node.js of this VM is configured.
    vm.put("/etc/ld.so.preload", b"", 0o644);
    vm.put("/tmp/a.js", b"console.log(1)", 0o644);
    let before = parks.stand();
    assert_eq!(vm.run(&[NODE, "/tmp/a.js"]).ok(), "1\n");
    assert_eq!(parks.stand().claimed, before.claimed);
    assert_eq!(parks.stand().missed, before.missed + 1);
}

#[test]
fn nothing_is_parked_where_the_pool_is_off() {
    let Some(parks) = Parks::new(0) else { return };
    let vm = parks.vm();
    vm.put("/tmp/a.js", b"console.log(1)", 0o644);
    assert_eq!(vm.run(&[NODE, "/tmp/a.js"]).ok(), "1\n");
    assert_eq!(parks.stand(), ParkedNode::default());
}

#[test]
fn a_claimed_process_ends_as_any_other() {
    let Some(parks) = Parks::new(1) else { return };
    parks.warm();
    let vm = parks.vm();
    vm.put(
        "/tmp/throws.js",
        b"process.on('exit', (code) => console.log(code)); throw new Error('x')",
        0o644,
    );
    let ended = vm.run(&[NODE, "/tmp/throws.js"]);
    assert_eq!(parks.stand().claimed, 1);
    assert_eq!((ended.status, ended.out.as_str()), (ExitStatus::Exited(1), "1\n"));
    assert!(
        ended.err.contains("node:internal/main/run_main_module"),
        "{}",
        ended.err
    );
    assert!(!ended.err.contains("park"), "{}", ended.err);
}

/// Processes of the host that this one has started and that run now.
fn children() -> Vec<u32> {
    children_of(std::process::id())
}

fn children_of(parent: u32) -> Vec<u32> {
    let own = format!("PPid:\t{parent}\n");
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_own =
        |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| status.contains(&own));
    numbers.filter(is_own).collect()
}

/// Whether a process has these bytes anywhere in memory that it may write.
fn holds(pid: u32, needle: &[u8]) -> bool {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"));
    let memory = std::fs::File::open(format!("/proc/{pid}/mem"));
    // One that has just ended holds nothing.
    let (Ok(maps), Ok(memory)) = (maps, memory) else {
        return false;
    };
    let wide: Vec<u8> = needle.iter().flat_map(|byte| [*byte, 0]).collect();
    maps.lines().any(|line| {
        let (range, rest) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let number = |text| u64::from_str_radix(text, 16).unwrap();
        let (start, end) = (number(start), number(end));
        if !rest.starts_with("rw") || end - start > 1 << 28 {
            return false;
        }
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        let there = memory.read_at(&mut bytes, start).unwrap_or(0);
        bytes.truncate(there);
        [needle, &wide]
            .iter()
            .any(|needle| bytes.windows(needle.len()).any(|window| window == *needle))
    })
}

#[test]
fn a_claimed_process_holds_nothing_of_another_vm() {
    let Some(parks) = Parks::new(4) else { return };
    parks.warm();
    // Put together at run time, so that no page of this file has it.
    let secret = |name: &str| format!("{name}-{}-{}", "secret", 0x00c0_ffee_u32);
    let one = parks.vm();
    let script = "process.stdout.write('ready'); process.stdin.on('data', () => {}).on('end', () => process.exit(0));";
    let run = |vm: &Vm, name: &str| {
        let path = format!("/tmp/{}.js", secret(name));
        vm.put(
            &path,
            format!("globalThis.kept = '{}'; {script}", secret(name)).as_bytes(),
            0o644,
        );
        let ((stdin, to), (from, stdout)) = (vm.pipe(), vm.pipe());
        let process = vm
            .spawn(
                &[NODE, &path, &secret(name)],
                &[(0, &stdin), (1, &stdout), (2, &stdout)],
            )
            .unwrap();
        let mut ready = [0; 5];
        let read = common::block(|waker| from.read(&mut ready, Some(waker))).unwrap();
        assert_eq!(&ready[..read], b"ready");
        (process, to, from)
    };
    let claimed = parks.stand().claimed;
    let before = children();
    let first = run(&one, "first");
    parks.wait_for("the first VM's own, and one for another", |stand| {
        stand.parked >= 2 && stand.waiting > 0
    });
    let two = parks.vm();
    let second = run(&two, "second");
    assert_eq!(parks.stand().claimed, claimed + 2);
    let started: Vec<u32> = children();
    let with = |name: &str| {
        started
            .iter()
            .copied()
            .filter(|pid| holds(*pid, secret(name).as_bytes()))
            .collect::<Vec<_>>()
    };
    // Parked processes are among those that were searched, and a process that is searched for is found.
    let (of_first, of_second) = (with("first"), with("second"));
    assert_eq!((of_first.len(), of_second.len()), (1, 1), "{before:?} {started:?}");
    assert_ne!(of_first, of_second);
    for (process, to, from) in [first, second] {
        drop(to);
        drain(&from);
        assert_eq!(wait(&process), ExitStatus::Exited(0));
    }
}

#[test]
fn what_is_parked_ends_when_it_is_switched_off() {
    let Some(parks) = Parks::new(2) else { return };
    parks.warm();
    parks.executor.park_node(0);
    parks.wait_for("all gone but the VM's own", |stand| stand.waiting == 0);
    // That of the VM goes with the VM's thread.
    parks.wait_for("all gone", |stand| stand.parked + stand.booting == 0);
    let vm = parks.vm();
    vm.put("/tmp/a.js", b"console.log(1)", 0o644);
    let claimed = parks.stand().claimed;
    assert_eq!(vm.run(&[NODE, "/tmp/a.js"]).ok(), "1\n");
    assert_eq!(parks.stand().claimed, claimed);
}

#[test]
fn a_parked_process_that_is_killed_is_not_claimed() {
    let Some(parks) = Parks::new(1) else { return };
    parks.warm();
    for pid in children() {
        let exe = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if exe.starts_with("node") {
            std::process::Command::new("kill")
                .args(["-9", &pid.to_string()])
                .status()
                .unwrap();
        }
    }
    parks.wait_for("its end", |stand| stand.parked == 0);
    let vm = parks.vm();
    vm.put("/tmp/a.js", b"console.log(1)", 0o644);
    assert_eq!(vm.run(&[NODE, "/tmp/a.js"]).ok(), "1\n");
    assert_eq!(parks.stand().claimed, 0);
}

/// Set in the process that is killed.
const VICTIM: &str = "AGENTOS_TEST_PARKED_VICTIM";

#[test]
fn nothing_that_is_parked_outlives_the_host_process() {
    let Some(parks) = Parks::new(2) else { return };
    if std::env::var_os(VICTIM).is_some() {
        parks.warm();
        println!("\nparked");
        loop {
            std::thread::park();
        }
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args([
        "nothing_that_is_parked_outlives_the_host_process",
        "--exact",
        "--nocapture",
    ]);
    let mut host = command
        .env(VICTIM, "1")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(host.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "parked"));
    let parked: Vec<_> = children_of(host.id())
        .into_iter()
        .filter(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("node")))
        .map(|pid| std::fs::File::open(format!("/proc/{pid}")).unwrap())
        .collect();
    assert!(!parked.is_empty());
    host.kill().unwrap();
    host.wait().unwrap();
    // The directory of a process tells of that one for ever, and of nobody once it is gone.
    let is_there = |dir: &std::fs::File| {
        std::fs::read_to_string(format!("/proc/self/fd/{}/stat", dir.as_raw_fd()))
            .is_ok_and(|stat| !stat.contains(") Z "))
    };
    let start = Instant::now();
    while parked.iter().any(is_there) {
        assert!(start.elapsed() < Duration::from_secs(30), "it runs on");
        std::thread::yield_now();
    }
}

#[test]
fn signals_reach_a_claimed_process() {
    let Some(parks) = Parks::new(1) else { return };
    parks.warm();
    let vm = parks.vm();
    vm.put(
        "/tmp/waits.js",
        b"setInterval(() => {}, 1000); process.on('SIGUSR2', () => console.log('two')); console.log('up')",
        0o644,
    );
    let ((stdin, _to), (from, stdout)) = (vm.pipe(), vm.pipe());
    let process = vm
        .spawn(&[NODE, "/tmp/waits.js"], &[(0, &stdin), (1, &stdout), (2, &stdout)])
        .unwrap();
    drop(stdout);
    let mut line = [0; 16];
    let mut read = || {
        let count = common::block(|waker| from.read(&mut line, Some(waker))).unwrap();
        String::from_utf8_lossy(&line[..count]).into_owned()
    };
    assert_eq!(read(), "up\n");
    assert_eq!(parks.stand().claimed, 1);
    let pid = i32::try_from(process.pid().0).unwrap();
    let init = vm.kernel.init();
    init.kill(pid, Signal::new(12).unwrap()).unwrap();
    assert_eq!(read(), "two\n");
    init.kill(pid, Signal::TERM).unwrap();
    assert_eq!(read(), "");
    assert_eq!(wait(&process), ExitStatus::Signaled(Signal::TERM));
}

#[test]
fn many_starts_leave_nothing_behind() {
    let Some(parks) = Parks::new(3) else { return };
    parks.warm();
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let mut counts = Vec::new();
    for round in 0..40 {
        let vm = parks.vm();
        vm.put("/tmp/a.js", b"console.log(process.argv[2])", 0o644);
        for start in 0..2 {
            let told = format!("{round}.{start}");
            assert_eq!(vm.run(&[NODE, "/tmp/a.js", &told]).ok(), format!("{told}\n"));
        }
        drop(vm);
        counts.push(descriptors());
    }
    assert!(parks.stand().claimed > 0, "{:?}", parks.stand());
    parks.executor.park_node(0);
    parks.wait_for("all gone", |stand| stand.parked + stand.booting == 0);
    let start = Instant::now();
    let is_node =
        |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("node"));
    while children().iter().any(is_node) {
        assert!(start.elapsed().as_secs() < 30, "{:?}", children());
        std::thread::yield_now();
    }
}
