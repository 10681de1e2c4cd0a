//! Calls on files compared: each program of `calls/` runs on this machine itself and in a VM, and must print the same.
//!
//! In the VM it runs twice: on a filesystem that shares its files with Linux programs, and on one that has none to share. Where the
//! results differ on purpose, `calls/differences.txt` says how, and that is compared both ways.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use agentos_kernel::Errno;
use agentos_kernel::clock::{Clock, Instant, Timestamp};
use agentos_kernel::limits::Counter;
use agentos_kernel::vfs::{CappedFs, FsQuota, MemoryFs, MountOptions};
use common::Vm;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::task::Waker;
use std::time::{SystemTime, UNIX_EPOCH};

struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap())
    }

    fn instant(&self) -> Instant {
        Instant(1)
    }

    fn wake_at(&self, _: Instant, _: &Waker) {}
}

/// Results by case, in the order of their names.
type Results = BTreeMap<String, String>;

fn results(text: &str) -> Results {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(case, result)| (case.to_owned(), result.to_owned()))
        .collect()
}

/// Differences that are known: `program case native -> vm`, or `program@place` for one place only.
fn known_of(program: &str) -> Results {
    let lines = include_str!("calls/differences.txt").lines();
    lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix(program)?.strip_prefix(' ')?.split_once(' '))
        .map(|(case, difference)| (case.to_owned(), difference.to_owned()))
        .collect()
}

/// Compiles a program of `calls/`; none where there is no compiler.
fn build(name: &str, dir: &Path) -> Option<Vec<u8>> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/calls");
    let to = dir.join("program");
    let done = Command::new("cc")
        .args(["-static", "-pthread", "-w", "-O1", "-o"])
        .arg(&to)
        .arg(from.join(format!("{name}.c")))
        .status();
    match done {
        Ok(status) => {
            assert!(status.success(), "{name}.c does not compile");
            Some(std::fs::read(to).unwrap())
        }
        Err(_) => {
            eprintln!("SKIPPED: no C compiler");
            None
        }
    }
}

fn native(dir: &Path) -> String {
    let work = dir.join("work");
    std::fs::create_dir(&work).unwrap();
    let done = Command::new(dir.join("program")).current_dir(&work).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn compare(name: &str) {
    // In memory, as a VM's files are.
    let place = Path::new("/dev/shm");
    let dir = match place.is_dir() {
        true => tempfile::tempdir_in(place),
        false => tempfile::tempdir(),
    }
    .unwrap();
    let Some(vm) = Vm::new() else { return };
    let Some(program) = build(name, dir.path()) else { return };
    let out = native(dir.path());
    if out == "SKIP\n" {
        eprintln!("SKIPPED: {name} needs more rights");
        return;
    }
    let wanted = results(&out);
    let counter = |path| Counter::new(path, "", 1 << 40, Errno::ENOSPC);
    let quota = Arc::new(FsQuota {
        bytes: counter("bytes"),
        inodes: counter("inodes"),
    });
    let apart = CappedFs::new(MemoryFs::new(Arc::new(Now), quota), None, Some(1 << 40));
    vm.kernel.vfs().mount(b"/home", apart, MountOptions::default()).unwrap();
    vm.put("/tmp/program", &program, 0o755);
    for place in ["/tmp", "/home"] {
        let ended = vm.sh(&format!("mkdir {place}/work; cd {place}/work; exec /tmp/program"));
        let got = results(&ended.out);
        let mut differ = Results::new();
        for case in wanted.keys().chain(got.keys()) {
            let of = |results: &Results| results.get(case).cloned().unwrap_or_else(|| "nothing".into());
            let (native, vm) = (of(&wanted), of(&got));
            if native != vm {
                differ.insert(case.clone(), format!("{native} -> {vm}"));
            }
        }
        let mut known = known_of(name);
        known.extend(known_of(&format!("{name}@{place}")));
        assert_eq!(differ, known, "{name} in {place}: {:?} {}", ended.status, ended.err);
    }
}

macro_rules! compared {
    ($($name:ident)*) => { $(
        #[test]
        fn $name() {
            compare(stringify!($name));
        }
    )* };
}

compared! { open names directories attributes content locks beneath permissions execat scheduling }
