//! Every import, called with nonsense: it answers with an error number or does something harmless, but it neither traps nor
//! harms anybody else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use agentos_kernel::process::{ExitStatus, Signal};
use common::*;
use std::future::poll_fn;
use std::task::Poll;

/// Imports with their parameters (`i` 32 bits, `I` 64 bits), from the ABI's own declarations and from preview 1.
fn imports() -> Vec<(&'static str, String, String)> {
    let mut all: Vec<_> = declared()
        .into_iter()
        .map(|(name, params)| (OS, name, params))
        .collect();
    all.extend(
        PREVIEW_1
            .iter()
            .map(|(name, params)| (P1, (*name).to_owned(), (*params).to_owned())),
    );
    all
}

const PREVIEW_1: &[(&str, &str)] = &[
    ("args_get", "ii"),
    ("args_sizes_get", "ii"),
    ("environ_get", "ii"),
    ("environ_sizes_get", "ii"),
    ("clock_res_get", "ii"),
    ("clock_time_get", "iIi"),
    ("fd_advise", "iIIi"),
    ("fd_allocate", "iII"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "iII"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "iI"),
    ("fd_filestat_set_times", "iIIi"),
    ("fd_pread", "iiiIi"),
    ("fd_prestat_get", "ii"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_pwrite", "iiiIi"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiiIi"),
    ("fd_renumber", "ii"),
    ("fd_seek", "iIii"),
    ("fd_sync", "i"),
    ("fd_tell", "ii"),
    ("fd_write", "iiii"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiiIIi"),
    ("path_link", "iiiiiii"),
    ("path_open", "iiiiiIIii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
    ("poll_oneoff", "iiii"),
    ("random_get", "ii"),
    ("sched_yield", ""),
    ("sock_accept", "iii"),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
    ("sock_shutdown", "ii"),
];

/// Reads the declarations that guests compile against, so that no import can be forgotten here.
fn declared() -> Vec<(String, String)> {
    let text = include_str!("../../abi/src/imports.rs");
    text.split("pub fn ")
        .skip(1)
        .map(|rest| {
            let (name, rest) = rest.split_once('(').unwrap();
            let (params, _) = rest.split_once(')').unwrap();
            let types = params
                .split(',')
                .filter_map(|param| param.split_once(':'))
                .map(|(_, ty)| ty.trim());
            (
                name.to_owned(),
                types
                    .map(|ty| if ty == "u64" || ty == "i64" { 'I' } else { 'i' })
                    .collect(),
            )
        })
        .collect()
}

const VALUES: [u64; 16] = [
    0,
    1,
    2,
    3,
    4,
    5,
    8,
    64,
    0x100,
    0x200,
    0x1_fff0,
    0x1_ffff,
    0x2_0000,
    0x7fff_ffff,
    0xffff_ff9c,
    0xffff_ffff,
];
const WIDE: [u64; 8] = [
    0,
    1,
    1000,
    0x2_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0x8000_0000_0000_0001,
    u64::MAX,
];

/// xorshift, seeded by the import so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn pick(&mut self, from: &[u64]) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        from[(self.0 >> 33) as usize % from.len()]
    }
}

fn signature(params: &str) -> String {
    let types: String = params
        .chars()
        .map(|kind| if kind == 'I' { " i64" } else { " i32" })
        .collect();
    format!("(param{types}) (result i32)")
}

/// Random arguments of one call.
fn arguments(random: &mut Random, params: &str) -> String {
    let argument = |kind| match kind {
        'I' => format!(" (i64.const {})", random.pick(&WIDE) as i64),
        _ => format!(" (i32.const {})", random.pick(&VALUES) as u32 as i32),
    };
    params.chars().map(argument).collect()
}

/// Calls with random arguments; some have only pointers that point outside.
fn calls(name: &str, params: &str, count: usize) -> String {
    let seed = |seed: u64, byte| (seed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut random = Random(name.bytes().fold(0x9e37_79b9, seed));
    let mut text = String::new();
    for round in 0..count {
        let mut args = arguments(&mut random, params);
        if round % 8 == 7 {
            args = params
                .chars()
                .map(|kind| {
                    if kind == 'I' {
                        " (i64.const -2)"
                    } else {
                        " (i32.const -2)"
                    }
                })
                .collect();
        }
        text += &format!("(drop (call $f{args}))\n");
    }
    text
}

#[test]
fn nonsense_is_answered() {
    let vm = Vm::limited(|limits| limits.max_processes = 64);
    let alarm = "(drop (call $timer_real (i64.const 20000000) (i64.const 20000000) (i32.const 0x300)))";
    for (module, name, params) in imports() {
        if ["proc_exit", "proc_raise", "sig_kill", "timer_real"].contains(&name.as_str()) {
            continue;
        }
        let imports = [
            (module, name.as_str(), signature(&params)),
            (OS, "timer_real", "(param i64 i64 i32) (result i32)".to_owned()),
        ];
        let text = format!("(module (import \"{module}\" \"{name}\" (func $f {})) (import \"{OS}\" \"timer_real\" (func $timer_real {}))
            (memory (export \"memory\") 2) {} (func (export \"_start\") {alarm} {}))",
            imports[0].2, imports[1].2, spawn_request(0x100, "/bin/none", &["x"], 0, &[]), calls(&name, &params, 64));
        vm.install(&name, &text);
        // One that waits is ended by the alarm.
        let (status, _) = vm.run_with(&[&name], b"input");
        let fine = [
            ExitStatus::Exited(0),
            ExitStatus::Signaled(Signal::ALRM),
            ExitStatus::Signaled(Signal::PIPE),
            ExitStatus::Signaled(Signal::XFSZ),
        ];
        // A guest may take all CPU time from itself.
        let starved = name == "proc_limit_set" && status == ExitStatus::Signaled(Signal::KILL);
        assert!(starved || fine.contains(&status), "{module}::{name}: {status:?}");
    }
    assert_eq!((vm.processes(), vm.kernel.usage().open_fds.used()), (0, 0));
    assert_eq!(vm.kernel.usage().memory.used(), 0);
}

#[test]
fn every_declared_import_exists() {
    let vm = Vm::new();
    let all: String = imports()
        .iter()
        .map(|(module, name, params)| format!("(import \"{module}\" \"{name}\" (func {}))", signature(params)))
        .collect();
    vm.install(
        "all",
        &format!("(module {all} (import \"{P1}\" \"proc_exit\" (func (param i32))) (func (export \"_start\")))"),
    );
    assert_eq!(vm.run(&["all"]).0, ExitStatus::Exited(0));
}

#[test]
fn a_program_without_memory_gets_faults() {
    let vm = Vm::new();
    vm.install("bare", &format!("(module (import \"{P1}\" \"random_get\" (func $f (param i32 i32) (result i32))) (import \"{P1}\" \"proc_exit\" (func $exit (param i32)))
        (func (export \"_start\") (call $exit (call $f (i32.const 0) (i32.const 1)))))"));
    assert_eq!(vm.run(&["bare"]).0, ExitStatus::Exited(21));
}

#[test]
fn imports_work_from_a_start_function() {
    let vm = Vm::new();
    vm.install("early", &program(&[(P1, "random_get", "(param i32 i32) (result i32)"), (P1, "proc_exit", "(param i32)")],
        "(func $begin (if (call $random_get (i32.const 0) (i32.const 4)) (then unreachable)) (call $proc_exit (i32.load8_u (i32.const 0))))
         (start $begin) (func (export \"_start\") unreachable)"));
    assert_eq!(vm.run(&["early"]).0, ExitStatus::Exited(0x5a));
}

/// Programs that call everything in random order, so that what one call leaves behind meets the next.
fn random_program(seed: u64, count: usize) -> String {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let all: Vec<_> = imports()
        .into_iter()
        .filter(|(_, name, _)| !ENDING.contains(&name.as_str()))
        .collect();
    let mut text = format!(
        "(module (import \"{OS}\" \"timer_real\" (func $timer {}))\n",
        signature("IIi")
    );
    text += &format!(
        "(import \"{OS}\" \"sig_disposition\" (func $catch {}))\n",
        signature("iii")
    );
    for (at, (module, name, params)) in all.iter().enumerate() {
        text += &format!("(import \"{module}\" \"{name}\" (func $f{at} {}))\n", signature(params));
    }
    // A caught signal that is never taken ends every wait.
    text +=
        "(memory (export \"memory\") 2) (func (export \"agentos_clone_entry\") (param i32) (result i32) (local.get 0))
        (func (export \"_start\") (drop (call $catch (i32.const 14) (i32.const 2) (i32.const 0)))
        (drop (call $timer (i64.const 1000000) (i64.const 1000000) (i32.const 0)))\n";
    text += &data_stores();
    let numbers: Vec<u64> = (0..all.len() as u64).collect();
    for _ in 0..count {
        let at = random.pick(&numbers) as usize;
        text += &format!("(drop (call $f{at}{}))\n", arguments(&mut random, &all[at].2));
    }
    text + "))"
}

/// Imports that end the caller or hit everybody when they do what they are asked.
const ENDING: [&str; 7] = [
    "proc_exit",
    "proc_raise",
    "sig_kill",
    "timer_real",
    "sig_take",
    "sig_disposition",
    "proc_limit_set",
];

/// Instructions that write something meaningful to the places that arguments point at: paths, vectors, a request.
fn data_stores() -> String {
    let words = [
        (0x100u32, 0x706d_742fu32),
        (0x104, 0x0078_2f2f),
        (0x200, 0x100),
        (0x204, 8),
        (0x208, 0x300),
        (0x20c, 64),
        (0x40, 80),
        (0x48, 0x100),
        (0x4c, 4),
    ];
    words
        .iter()
        .map(|(at, word)| format!("(i32.store (i32.const {at}) (i32.const {}))\n", *word as i32))
        .collect()
}

#[test]
fn random_programs_harm_nobody() {
    let rounds = std::env::var("HOSTILE_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(8);
    let bystander = Vm::new();
    bystander.install("true", "(module (func (export \"_start\")))");
    for seed in 0..rounds {
        let vm = Vm::limited(|limits| limits.max_processes = 64);
        vm.install("random", &random_program(seed, 1000));
        let status = run_for_a_while(&vm, "random");
        let bugs = [Signal::ABRT, Signal::SEGV, Signal::ILL, Signal::FPE, Signal::BUS];
        let bug = status.signal().is_some_and(|signal| bugs.contains(&signal));
        assert!(!bug, "seed {seed}: {status:?}");
        // Everything is given back, and what it did to its own VM does not reach another one.
        eventually(|| vm.processes() == 0);
        assert_eq!(vm.kernel.usage().memory.used(), 0, "seed {seed}");
        assert_eq!(bystander.run(&["true"]).0, ExitStatus::Exited(0), "seed {seed}");
    }
}

/// Runs a program. One that has come to wait for ever, with its alarm blocked, is killed.
fn run_for_a_while(vm: &Vm, name: &str) -> ExitStatus {
    let process = vm.spawn(&[name]);
    let clock = vm.kernel.clock();
    let deadline = clock.instant().after(500_000_000);
    block_on(poll_fn(|cx| {
        if process.poll_exit(cx.waker()).is_ready() || clock.instant() >= deadline {
            return Poll::Ready(());
        }
        clock.wake_at(deadline, cx.waker());
        Poll::Pending
    }));
    vm.kernel.kill_all();
    wait(&process)
}
