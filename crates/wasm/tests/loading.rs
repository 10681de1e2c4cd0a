//! From a file to a program: what is refused and why, and the cache of compiled programs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use agentos_kernel::limits::Limits;
use agentos_kernel::process::ExitStatus;
use agentos_kernel::vfs::Blob;
use agentos_kernel::{Errno, Error};
use agentos_wasm::{Compiling, WasmConfig};
use common::*;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

fn exits(status: u32) -> String {
    program(
        &[(P1, "proc_exit", "(param i32)")],
        &format!("(func (export \"_start\") (call $proc_exit (i32.const {status})))"),
    )
}

fn refusal(vm: &Vm, name: &str) -> Error {
    vm.spawn_request(&vm.request(&[name])).unwrap_err()
}

#[test]
fn what_cannot_run_is_refused_before_anything_starts() {
    let vm = Vm::new();
    let start = "(func (export \"_start\"))";
    let cases = [
        (
            "import",
            program(&[(OS, "fd_frobnicate", "")], start),
            "unknown import: agentos_v1::fd_frobnicate",
        ),
        (
            "module",
            program(&[("env", "puts", "")], start),
            "unknown import: env::puts",
        ),
        (
            "type",
            program(&[(P1, "proc_exit", "(param i64)")], start),
            "incompatible import type",
        ),
        ("start", "(module)".into(), "exports no function \"_start\""),
        (
            "signature",
            "(module (func (export \"_start\") (param i32)))".into(),
            "exports no function \"_start\"",
        ),
        (
            "memories",
            format!("(module {} {start})", "(memory 1)".repeat(5)),
            "more than 4 memories",
        ),
        (
            "memory64",
            format!("(module (memory i64 1) {start})"),
            "memory64 must be enabled",
        ),
        (
            "shared",
            format!("(module (memory 1 1 shared) {start})"),
            "threads must be enabled",
        ),
    ];
    for (name, text, reason) in cases {
        vm.install(name, &text);
        let error = refusal(&vm, name);
        assert_eq!(error.errno(), Errno::ENOEXEC, "{name}");
        assert!(error.to_string().contains(reason), "{name}: {error}");
    }
    vm.install_bytes("garbage", b"\0asm\x01\0\0\0 this is no module");
    vm.install_bytes("truncated", &wat::parse_str(exits(0)).unwrap()[..30]);
    vm.install_bytes("version", b"\0asm\x02\0\0\0");
    for name in ["garbage", "truncated", "version"] {
        assert_eq!(refusal(&vm, name).errno(), Errno::ENOEXEC, "{name}");
    }
    assert_eq!((vm.processes(), vm.executor.live_processes()), (0, 0));
}

#[test]
fn a_refusal_is_remembered_and_a_changed_file_is_looked_at_again() {
    let vm = Vm::new();
    vm.write_program("program", b"\0asm nonsense");
    for _ in 0..2 {
        assert_eq!(refusal(&vm, "program").errno(), Errno::ENOEXEC);
    }
    let good = wat::parse_str(exits(3)).unwrap();
    for status in [3, 4] {
        let bytes = if status == 3 {
            good.clone()
        } else {
            wat::parse_str(exits(4)).unwrap()
        };
        vm.overwrite("program", &bytes);
        assert_eq!(vm.run(&["program"]).0, ExitStatus::Exited(status));
    }
}

#[test]
fn sizes_are_limited() {
    let vm = Vm::limited(|limits| {
        limits.max_module_file_bytes = 1000;
        limits.max_wasm_memory_bytes = 128 << 10;
    });
    let fat = format!(
        "(module (memory 1) (data (i32.const 0) \"{}\") (func (export \"_start\")))",
        "x".repeat(2000)
    );
    vm.install("blob", &fat);
    vm.write_program("file", &wat::parse_str(&fat).unwrap());
    for name in ["blob", "file"] {
        let error = refusal(&vm, name);
        assert_eq!(
            error.limit().map(|limit| limit.limit),
            Some("maxModuleFileBytes"),
            "{name}"
        );
        assert_eq!(error.errno(), Errno::ENOEXEC);
    }
    vm.install("greedy", "(module (memory 3) (func (export \"_start\")))");
    let error = refusal(&vm, "greedy");
    assert_eq!(
        (error.errno(), error.limit().unwrap().limit),
        (Errno::ENOMEM, "maxWasmMemoryBytes")
    );
}

/// An executor with a cache, and the number of compilations that it did.
fn counting(folder: &Path) -> (Vm, Arc<AtomicUsize>) {
    let config = WasmConfig {
        cache_dir: Some(folder.into()),
        pool_slots: 64,
        workers: 1,
        ..WasmConfig::default()
    };
    let vm = Vm::with(executor(config), Limits::default());
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    vm.executor.set_compile_hook(Some(Arc::new(move |event: Compiling| {
        if event.finished {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    })));
    (vm, count)
}

fn run_counted(folder: &Path, program: &[u8]) -> (ExitStatus, usize) {
    let (vm, count) = counting(folder);
    vm.install_bytes("program", program);
    let status = vm.run(&["program"]).0;
    (status, count.load(Ordering::SeqCst))
}

/// Replaces a file by another one of this content. (Cutting a file short that a process has mapped ends that process.)
fn replace(path: &Path, content: &[u8]) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o400)).unwrap();
}

fn cached(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder.join("compiled-1"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

#[test]
fn a_program_is_compiled_once_per_cache() {
    let folder = tempfile::tempdir().unwrap();
    let program = wat::parse_str(exits(5)).unwrap();
    assert_eq!(run_counted(folder.path(), &program), (ExitStatus::Exited(5), 1));
    assert_eq!(run_counted(folder.path(), &program), (ExitStatus::Exited(5), 0));
    // The same content under another name and in another VM is the same program.
    let (vm, count) = counting(folder.path());
    vm.install_bytes("a", &program);
    vm.write_program("b", &program);
    assert_eq!(
        (vm.run(&["a"]).0, vm.run(&["b"]).0),
        (ExitStatus::Exited(5), ExitStatus::Exited(5))
    );
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn a_damaged_cache_costs_a_compilation_and_nothing_else() {
    let program = wat::parse_str(exits(6)).unwrap();
    let damages: [fn(&mut Vec<u8>); 5] = [
        |bytes| bytes.clear(),
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0xff;
        },
        |bytes| *bytes.last_mut().unwrap() ^= 1,
        |bytes| bytes.splice(0..4, *b"ELF?").for_each(drop),
    ];
    for damage in damages {
        let folder = tempfile::tempdir().unwrap();
        run_counted(folder.path(), &program);
        let path = cached(folder.path()).pop().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        damage(&mut bytes);
        replace(&path, &bytes);
        assert_eq!(run_counted(folder.path(), &program), (ExitStatus::Exited(6), 1));
        assert_eq!(run_counted(folder.path(), &program), (ExitStatus::Exited(6), 0));
    }
}

#[test]
fn somebody_elses_program_under_the_name_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    run_counted(folder.path(), &wat::parse_str(exits(1)).unwrap());
    let first = cached(folder.path()).pop().unwrap();
    let (program, kept) = (wat::parse_str(exits(2)).unwrap(), std::fs::read(&first).unwrap());
    run_counted(folder.path(), &program);
    let second = cached(folder.path()).into_iter().find(|path| *path != first).unwrap();
    replace(&second, &kept);
    assert_eq!(run_counted(folder.path(), &program), (ExitStatus::Exited(2), 1));
}

#[test]
fn a_cache_that_cannot_be_used_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let program = wat::parse_str(exits(8)).unwrap();
    assert_eq!(run_counted(&file, &program), (ExitStatus::Exited(8), 1));
    assert_eq!(
        run_counted(Path::new("/proc/nowhere"), &program),
        (ExitStatus::Exited(8), 1)
    );
}

#[test]
fn executors_may_share_a_cache() {
    let folder = tempfile::tempdir().unwrap();
    let programs: Vec<Vec<u8>> = (0..8).map(|status| wat::parse_str(exits(status)).unwrap()).collect();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for (status, program) in programs.iter().enumerate() {
                    assert_eq!(run_counted(folder.path(), program).0, ExitStatus::Exited(status as u8));
                }
            });
        }
    });
    assert_eq!(cached(folder.path()).len(), programs.len());
}

#[test]
fn a_lazy_program_is_not_unpacked_when_its_compiled_form_is_at_hand() {
    let folder = tempfile::tempdir().unwrap();
    let program = wat::parse_str(exits(9)).unwrap();
    run_counted(folder.path(), &program);
    let loads = Arc::new(AtomicUsize::new(0));
    let (source, counter) = (program.clone(), Arc::clone(&loads));
    let digest = sha256(&program);
    let blob = Blob::lazy(program.len() as u64, digest, program.clone().into(), move || {
        counter.fetch_add(1, Ordering::SeqCst);
        source.clone().into()
    });
    let (vm, count) = counting(folder.path());
    vm.install_blob("lazy", blob);
    assert_eq!(vm.run(&["lazy"]).0, ExitStatus::Exited(9));
    assert_eq!((count.load(Ordering::SeqCst), loads.load(Ordering::SeqCst)), (0, 0));
}

#[test]
fn many_callers_wait_for_one_compilation() {
    let folder = tempfile::tempdir().unwrap();
    let (vm, count) = counting(folder.path());
    vm.install_bytes("program", &wat::parse_str(exits(0)).unwrap());
    let statuses = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let status = wait(&vm.spawn(&["program"]));
                statuses.lock().unwrap().push(status);
            });
        }
    });
    assert_eq!(statuses.into_inner().unwrap(), [ExitStatus::Exited(0); 8]);
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn too_many_waiting_programs_are_told_to_try_again() {
    let config = WasmConfig {
        pool_slots: 64,
        workers: 1,
        max_queued_programs: 4,
        ..WasmConfig::default()
    };
    let vm = Vm::with(executor(config), Limits::default());
    // Each takes the compiler a moment, so that they pile up.
    let body: String = (0..3000)
        .map(|at| format!("(local.set 0 (i32.add (local.get 0) (i32.const {at})))"))
        .collect();
    for number in 0..16 {
        let text = format!("(module (func (export \"_start\") (local i32) {body} (drop (i32.const {number}))))");
        vm.write_program(&format!("p{number}"), &wat::parse_str(text).unwrap());
    }
    let init = vm.kernel.init();
    let refused = (0..16).filter(|number| {
        let request = vm.request(&[&format!("p{number}")]);
        match vm.kernel.spawn(&init, &request, None) {
            std::task::Poll::Ready(Err(error)) => {
                assert_eq!(error.errno(), Errno::EAGAIN);
                assert_eq!(error.limit().unwrap().limit, "max_queued_programs");
                true
            }
            _ => false,
        }
    });
    assert!(refused.count() > 0);
    // Later they run.
    eventually(|| vm.spawn_request(&vm.request(&["p15"])).is_ok());
}
