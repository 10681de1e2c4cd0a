//! Calls on files compared: each program of `calls/` runs on this machine itself and in a VM, and must print the same.
//!
//! In the VM it runs twice: on a filesystem that shares its files with Linux programs, and on one that has none to share. Where the
//! results differ on purpose, `calls/differences.txt` says how, and that is compared both ways.
//!
//! Programs that include `call.h` print the name of the call with each case. With these it is looked that every call which the VM
//! answers has cases, and which errors they show: `calls/errors.txt` lists the errors that the manual has of each call, and why a case of
//! one is missing where it is.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use agentos_kernel::Errno;
use agentos_kernel::clock::{Clock, Instant, Timestamp};
use agentos_kernel::limits::Counter;
use agentos_kernel::vfs::{CappedFs, FsQuota, MemoryFs, MountOptions};
use common::{Ended, Vm};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
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
    let text = std::fs::read_to_string(from().join("differences.txt")).unwrap();
    let lines = text.lines();
    lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix(program)?.strip_prefix(' ')?.split_once(' '))
        .map(|(case, difference)| (case.to_owned(), difference.to_owned()))
        .collect()
}

fn from() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/calls")
}

/// Compiles a program of `calls/`; none where there is no compiler.
fn build(name: &str, dir: &Path) -> Option<Vec<u8>> {
    let to = dir.join("program");
    let done = Command::new("cc")
        .args(["-static", "-pthread", "-w", "-O1", "-o"])
        .arg(&to)
        .arg(from().join(format!("{name}.c")))
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
    with_place(&vm);
    for place in ["/tmp", "/home"] {
        let ended = in_vm(&vm, &program, place);
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

/// A VM with a place below `/home` that shares nothing with Linux programs.
fn with_place(vm: &Vm) {
    let counter = |path| Counter::new(path, "", 1 << 40, Errno::ENOSPC);
    let quota = Arc::new(FsQuota {
        bytes: counter("bytes"),
        inodes: counter("inodes"),
    });
    let apart = CappedFs::new(MemoryFs::new(Arc::new(Now), quota), None, Some(1 << 40));
    vm.kernel.vfs().mount(b"/home", apart, MountOptions::default()).unwrap();
}

/// What a program printed in a VM.
fn in_vm(vm: &Vm, program: &[u8], place: &str) -> Ended {
    vm.put("/tmp/program", program, 0o755);
    vm.sh(&format!("mkdir {place}/work; cd {place}/work; exec /tmp/program"))
}

/// Calls that the VM answers, all of them or some by their arguments, as the page of calls says.
fn answered() -> BTreeSet<String> {
    let page = agentos_linux::system_calls();
    let rows = page.lines().filter_map(|line| {
        let (call, what) = line.strip_prefix("| `")?.split_once("` | ")?;
        (what.starts_with("answered by") || what.starts_with("by its arguments")).then(|| call.to_owned())
    });
    rows.collect()
}

/// What `errors.txt` says of each call: errors that cases show, and those that they do not.
fn listed() -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let text = std::fs::read_to_string(from().join("errors.txt")).unwrap();
    let mut listed: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (calls, errors) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
        let (shown, missing) = errors.split_once("- ").unwrap_or((errors, ""));
        let missing = missing.split_once(" (").map_or(missing, |(missing, why)| {
            assert!(why.ends_with(')'), "the reason of {line} does not end");
            missing
        });
        let names = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for call in names(calls) {
            let entry = listed.entry(call).or_default();
            entry.0.extend(names(shown));
            entry.1.extend(names(missing));
        }
    }
    listed
}

#[test]
fn every_call_that_a_vm_answers_has_cases_of_its_results_and_errors() {
    let Some(vm) = Vm::new() else { return };
    // By call: whether it succeeded once, and the errors of all its cases.
    let mut seen: BTreeMap<String, (bool, BTreeSet<String>)> = BTreeMap::new();
    for name in BY_CALL {
        let dir = tempfile::tempdir().unwrap();
        let Some(program) = build(name, dir.path()) else { return };
        vm.root_dir(&format!("tmp/{name}"));
        let ended = in_vm(&vm, &program, &format!("/tmp/{name}"));
        for (case, result) in results(&ended.out) {
            let Some((call, _)) = case.split_once('.') else {
                continue;
            };
            let entry = seen.entry(call.to_owned()).or_default();
            let value: i64 = result.split(' ').next().unwrap().parse().unwrap_or(0);
            match i32::try_from(-value) {
                Ok(errno @ 1..) => drop(entry.1.insert(error_name(errno))),
                _ => entry.0 = true,
            }
        }
    }
    let listed = listed();
    let mut wrong = Vec::new();
    for call in answered() {
        let (succeeded, errors) = seen.get(&call).cloned().unwrap_or_default();
        let Some((shown, missing)) = listed.get(&call) else {
            wrong.push(format!("{call}: is not listed; seen are {errors:?}"));
            continue;
        };
        if !succeeded {
            wrong.push(format!("{call}: no case in which it works"));
        }
        let unseen: Vec<_> = shown.difference(&errors).collect();
        let unlisted: Vec<_> = errors.difference(shown).collect();
        let both: Vec<_> = missing.intersection(shown).collect();
        if !unseen.is_empty() || !unlisted.is_empty() || !both.is_empty() {
            wrong.push(format!(
                "{call}: listed and not seen {unseen:?}, seen and not listed {unlisted:?}, both {both:?}"
            ));
        }
    }
    let strangers = listed.keys().filter(|call| !answered().contains(*call));
    wrong.extend(strangers.map(|call| format!("{call}: no call that the VM answers")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The name of an error, as the manual has it.
fn error_name(errno: i32) -> String {
    const NAMES: &[(i32, &str)] = &[
        (libc::EPERM, "EPERM"),
        (libc::ENOENT, "ENOENT"),
        (libc::ESRCH, "ESRCH"),
        (libc::EINTR, "EINTR"),
        (libc::EIO, "EIO"),
        (libc::ENXIO, "ENXIO"),
        (libc::E2BIG, "E2BIG"),
        (libc::ENOEXEC, "ENOEXEC"),
        (libc::EBADF, "EBADF"),
        (libc::ECHILD, "ECHILD"),
        (libc::EAGAIN, "EAGAIN"),
        (libc::ENOMEM, "ENOMEM"),
        (libc::EACCES, "EACCES"),
        (libc::EFAULT, "EFAULT"),
        (libc::ENOTBLK, "ENOTBLK"),
        (libc::EBUSY, "EBUSY"),
        (libc::EEXIST, "EEXIST"),
        (libc::EXDEV, "EXDEV"),
        (libc::ENODEV, "ENODEV"),
        (libc::ENOTDIR, "ENOTDIR"),
        (libc::EISDIR, "EISDIR"),
        (libc::EINVAL, "EINVAL"),
        (libc::ENFILE, "ENFILE"),
        (libc::EMFILE, "EMFILE"),
        (libc::ENOTTY, "ENOTTY"),
        (libc::ETXTBSY, "ETXTBSY"),
        (libc::EFBIG, "EFBIG"),
        (libc::ENOSPC, "ENOSPC"),
        (libc::ESPIPE, "ESPIPE"),
        (libc::EROFS, "EROFS"),
        (libc::EMLINK, "EMLINK"),
        (libc::EPIPE, "EPIPE"),
        (libc::EDOM, "EDOM"),
        (libc::ERANGE, "ERANGE"),
        (libc::ENAMETOOLONG, "ENAMETOOLONG"),
        (libc::ENOSYS, "ENOSYS"),
        (libc::ENOTEMPTY, "ENOTEMPTY"),
        (libc::ELOOP, "ELOOP"),
        (libc::ENODATA, "ENODATA"),
        (libc::EOVERFLOW, "EOVERFLOW"),
        (libc::ENOTSOCK, "ENOTSOCK"),
        (libc::EDESTADDRREQ, "EDESTADDRREQ"),
        (libc::EMSGSIZE, "EMSGSIZE"),
        (libc::EPROTOTYPE, "EPROTOTYPE"),
        (libc::ENOPROTOOPT, "ENOPROTOOPT"),
        (libc::EPROTONOSUPPORT, "EPROTONOSUPPORT"),
        (libc::ESOCKTNOSUPPORT, "ESOCKTNOSUPPORT"),
        (libc::EOPNOTSUPP, "EOPNOTSUPP"),
        (libc::EAFNOSUPPORT, "EAFNOSUPPORT"),
        (libc::EADDRINUSE, "EADDRINUSE"),
        (libc::EADDRNOTAVAIL, "EADDRNOTAVAIL"),
        (libc::ENETUNREACH, "ENETUNREACH"),
        (libc::ECONNABORTED, "ECONNABORTED"),
        (libc::ECONNRESET, "ECONNRESET"),
        (libc::ENOBUFS, "ENOBUFS"),
        (libc::EISCONN, "EISCONN"),
        (libc::ENOTCONN, "ENOTCONN"),
        (libc::ETOOMANYREFS, "ETOOMANYREFS"),
        (libc::ETIMEDOUT, "ETIMEDOUT"),
        (libc::ECONNREFUSED, "ECONNREFUSED"),
        (libc::EHOSTUNREACH, "EHOSTUNREACH"),
        (libc::EALREADY, "EALREADY"),
        (libc::EINPROGRESS, "EINPROGRESS"),
    ];
    let named = NAMES.iter().find(|(number, _)| *number == errno);
    named.map_or_else(|| errno.to_string(), |(_, name)| (*name).to_owned())
}

macro_rules! compared {
    ($($name:ident)*) => { $(
        #[test]
        fn $name() {
            compare(stringify!($name));
        }
    )* };
}

compared! { open names directories attributes content locks beneath permissions execat execmem scheduling }

macro_rules! by_call {
    ($($name:ident)*) => {
        /// Programs whose cases begin with the name of a call.
        const BY_CALL: &[&str] = &[$(stringify!($name)),*];

        compared! { $($name)* }
    };
}

by_call! { paths sockets options interfaces unix messages processes identities programs descriptors terminals watches rest schedules }
