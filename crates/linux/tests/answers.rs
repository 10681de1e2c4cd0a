//! What guests answer themselves: the same as what they would be answered, for far fewer calls.
#![allow(clippy::unwrap_used, missing_docs)]
#![cfg(jail)]

mod common;

use agentos_kernel::process::{AtFlags, Dir, ExitStatus};
use agentos_kernel::vfs::{Mode, RenameFlags};
use common::{Vm, block, compile, drain, wait};
use std::sync::OnceLock;

const PROGRAM: &str = include_str!("programs/answers.c");

/// The program; none where the machine has no compiler.
fn program() -> Option<&'static [u8]> {
    static COMPILED: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    let compiled = COMPILED.get_or_init(|| compile(PROGRAM, &["-O1", "-pthread", "-w"]));
    compiled.as_deref()
}

/// A VM with the program; none where the machine has no compiler or no jail.
fn vm() -> Option<Vm> {
    let (program, vm) = (program()?, Vm::new()?);
    vm.put("/tmp/answers", program, 0o755);
    Some(vm)
}

/// Whether the host is one on which guests answer anything; elsewhere they ask each time.
fn counts() -> bool {
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let counts = flags.contains("constant_tsc") && flags.contains("nonstop_tsc");
    if !counts {
        eprintln!("SKIPPED: the processor's counter does not count time");
    }
    counts
}

#[track_caller]
fn run(mode: &str) {
    let Some(vm) = vm().filter(|_| counts()) else { return };
    assert_eq!(vm.run(&["/tmp/answers", mode]).ok(), "ok\n");
}

#[test]
fn most_questions_need_nobody() {
    run("count");
}

#[test]
fn directories_of_an_image_are_answered_too() {
    let Some(program) = program().filter(|_| counts()) else {
        return;
    };
    let Some(vm) = Vm::over_image("/", |_| {}) else { return };
    vm.put("/home/agentos-answers", program, 0o755);
    assert_eq!(vm.run(&["/home/agentos-answers", "count", "/usr/lib"]).ok(), "ok\n");
}

#[test]
fn a_change_is_seen_by_who_makes_it() {
    run("self");
}

#[test]
fn a_change_of_another_process_is_seen_when_it_is_done() {
    run("child");
}

#[test]
fn threads_see_changes() {
    run("threads");
}

#[test]
fn processes_see_changes_of_each_other() {
    run("processes");
}

#[test]
fn who_holds_a_directory_asks_of_that_one_wherever_its_path_leads_by_now() {
    run("held");
}

#[test]
fn who_holds_a_directory_over_an_image_does_as_well() {
    let Some(program) = program().filter(|_| counts()) else {
        return;
    };
    let Some(vm) = Vm::over_image("/", |_| {}) else { return };
    vm.put("/home/agentos-answers", program, 0o755);
    assert_eq!(vm.run(&["/home/agentos-answers", "held"]).ok(), "ok\n");
}

#[test]
fn pointers_that_lead_nowhere_are_errors_as_before() {
    run("pointers");
}

#[test]
fn signals_may_come_at_any_moment() {
    run("signals");
}

#[test]
fn copies_have_it_and_new_programs_begin_anew() {
    run("copies");
}

#[test]
fn who_tampers_with_it_harms_nobody_else() {
    run("hostile");
}

/// Does what the program's `change` does.
fn change(vm: &Vm, which: u8) {
    let init = vm.kernel.init();
    let rename = |from: &[u8], to: &[u8]| {
        init.rename((Dir::Cwd, from), (Dir::Cwd, to), RenameFlags::Replace)
            .unwrap();
    };
    let (two, away, deep): (&[u8], &[u8], &[u8]) = (b"/home/one/two", b"/home/one/away", b"/home/one/two/three");
    let mode = |mode| {
        init.chmod(Dir::Cwd, b"/home/one", Mode::new(mode), AtFlags::FOLLOW)
            .unwrap();
    };
    match which {
        b'0' => rename(two, away),
        b'1' => init.symlink(b"/home/else", Dir::Cwd, two).unwrap(),
        b'2' => {
            init.unlink(Dir::Cwd, two).unwrap();
            rename(away, two);
        }
        b'3' => init.rmdir(Dir::Cwd, deep).unwrap(),
        b'4' => init.symlink(b"../../else", Dir::Cwd, deep).unwrap(),
        b'5' => {
            init.unlink(Dir::Cwd, deep).unwrap();
            vm.put("/home/one/two/three", b"", 0o644);
        }
        b'6' => {
            init.unlink(Dir::Cwd, deep).unwrap();
            init.mkdir(Dir::Cwd, deep, Mode::new(0o755)).unwrap();
        }
        b'7' => mode(0),
        _ => mode(0o755),
    }
}

#[test]
fn a_change_from_outside_is_seen_when_it_is_done() {
    let Some(vm) = vm().filter(|_| counts()) else { return };
    let init = vm.kernel.init();
    for dir in [
        &b"/home/one"[..],
        b"/home/one/two",
        b"/home/one/two/three",
        b"/home/else",
        b"/home/else/three",
    ] {
        init.mkdir(Dir::Cwd, dir, Mode::new(0o755)).unwrap();
    }
    let ((stdin, to), (from, stdout), (errors, stderr)) = (vm.pipe(), vm.pipe(), vm.pipe());
    let fds = [(0, &stdin), (1, &stdout), (2, &stderr)];
    let process = vm.spawn(&["/tmp/answers", "host"], &fds).unwrap();
    drop((stdin, stdout, stderr));
    let mut changes = 0;
    loop {
        let mut said = [0; 2];
        let count = block(|waker| from.read(&mut said, Some(waker))).unwrap();
        if count < 2 || said[0] == b'o' {
            break;
        }
        change(&vm, said[0]);
        changes += 1;
        assert_eq!(block(|waker| to.write(b"!", Some(waker))), Ok(1));
    }
    assert_eq!((wait(&process), drain(&errors).as_str()), (ExitStatus::Exited(0), ""));
    assert_eq!(changes, 180);
}
