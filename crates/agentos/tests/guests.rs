//! Programs that agentOS did not write: they lie, loop, trap, overflow and exhaust. Each ends the way a process ends, the
//! VM lives, and so do its neighbours.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod support;

use agentos::{AgentOs, Errno, Error};
use std::time::Duration;
use support::{install, limited, lives};

/// A module with one memory page and this body of `_start`, importing what most bodies call.
fn program(body: &str) -> String {
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "\10\00\00\00\06\00\00\00")
            (data (i32.const 16) "hello\n")
            (func $deep (param i32) (result i32)
                (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
            (func $endless (loop $again (br $again)))
            (func (export "_start") {body}))"#
    )
}

async fn run(vm: &AgentOs, body: &str) -> agentos::ExecOutput {
    let path = install(vm, "tool.wasm", &program(body)).await;
    vm.exec_argv([path])
        .timeout(Duration::from_secs(60))
        .await
        .expect("it starts")
}

#[tokio::test]
async fn a_plain_module_is_a_program() {
    let vm = AgentOs::create().await.unwrap();
    let output = run(
        &vm,
        "(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))",
    )
    .await;
    assert_eq!((output.exit_code, output.stdout_text()), (0, "hello\n".into()));
    assert_eq!(run(&vm, "(call $exit (i32.const 42))").await.exit_code, 42);
    // In a pipeline of the shell, found by its content, called by a path.
    run(
        &vm,
        "(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))",
    )
    .await;
    assert_eq!(
        vm.exec("./tool.wasm | tr a-z A-Z").await.unwrap().stdout_text(),
        "HELLO\n"
    );
}

#[tokio::test]
async fn a_trap_is_a_death_by_signal() {
    let vm = AgentOs::create().await.unwrap();
    for (body, signal) in [
        ("unreachable", 4),
        ("(drop (i32.load (i32.const -8)))", 11),
        ("(drop (call $deep (i32.const 0)))", 11),
        ("(drop (i32.div_u (i32.const 1) (i32.const 0)))", 8),
    ] {
        assert_eq!(run(&vm, body).await.exit_code, 128 + signal, "{body}");
        lives(&vm).await;
    }
    // The shell sees it as it would see it anywhere.
    run(&vm, "unreachable").await;
    assert_eq!(vm.exec("./tool.wasm; echo $?").await.unwrap().stdout_text(), "132\n");
}

#[tokio::test]
async fn lies_about_memory_are_errors_not_traps() {
    let vm = AgentOs::create().await.unwrap();
    // The status is the errno of preview 1: 21 is `fault`, 8 `badf`.
    for (call, errno) in [
        (
            "(call $fd_write (i32.const 1) (i32.const -8) (i32.const 1) (i32.const 8))",
            21,
        ),
        (
            "(call $fd_write (i32.const 1) (i32.const 65532) (i32.const 1) (i32.const 8))",
            21,
        ),
        (
            "(call $fd_write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 8))",
            28,
        ),
        (
            "(call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 65534))",
            21,
        ),
        (
            "(call $fd_write (i32.const 77) (i32.const 0) (i32.const 1) (i32.const 8))",
            8,
        ),
        ("(call $fd_close (i32.const -1))", 8),
        ("(call $random (i32.const 65000) (i32.const 65000))", 21),
        ("(call $random (i32.const 0) (i32.const -1))", 21),
    ] {
        let output = run(&vm, &format!("(call $exit {call})")).await;
        assert_eq!((output.exit_code, output.stdout.len()), (errno, 0), "{call}");
    }
    lives(&vm).await;
}

#[tokio::test]
async fn a_loop_ends_when_its_time_is_over() {
    let vm = AgentOs::create().await.unwrap();
    let path = install(&vm, "tool.wasm", &program("(call $endless)")).await;
    let output = vm.exec_argv([&path]).timeout(Duration::from_millis(100)).await.unwrap();
    assert!(output.timed_out);
    let vm = limited(&[("maxCpuTimeMs", 100)]).await;
    let output = run(&vm, "(call $endless)").await;
    assert_eq!(output.exit_code, 128 + 24);
    // Not a shell, which may take as long as that on a busy machine.
    assert_eq!(run(&vm, "").await.exit_code, 0);
}

#[tokio::test]
async fn memory_ends_where_the_limit_is() {
    let vm = limited(&[("maxWasmMemoryBytes", 4 << 20)]).await;
    // Grows page by page until it is refused, and exits with the pages it has.
    let body =
        "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (call $exit (memory.size))";
    assert_eq!(run(&vm, body).await.exit_code, 64);
    let path = install(
        &vm,
        "large.wasm",
        r#"(module (memory (export "memory") 100) (func (export "_start")))"#,
    )
    .await;
    let error = vm.exec_argv([path]).await.unwrap_err();
    assert_eq!(
        error.limit().map(|limit| limit.limit),
        Some("maxWasmMemoryBytes"),
        "{error}"
    );
    lives(&vm).await;
}

#[tokio::test]
async fn what_is_no_program_is_refused_before_it_runs() {
    let vm = AgentOs::create().await.unwrap();
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("cut", b"\0asm\x01\0\0\0\x01\x08".to_vec(), ""),
        ("version", b"\0asm\x09\0\0\0".to_vec(), "version"),
        ("elf", b"\x7fELF\x02\x01\x01".to_vec(), ""),
        ("text", b"just text".to_vec(), ""),
        (
            "import",
            wat::parse_str(r#"(module (import "agentos_v1" "no_such_call" (func)) (memory (export "memory") 1) (func (export "_start")))"#)
                .unwrap(),
            "no_such_call",
        ),
        ("start", wat::parse_str(r#"(module (memory (export "memory") 1))"#).unwrap(), "_start"),
    ];
    for (name, content, word) in cases {
        let path = format!("/home/user/{name}");
        vm.write_file(&path, content).await.unwrap();
        vm.chmod(&path, 0o755).await.unwrap();
        let error = vm.exec_argv([&path]).await.unwrap_err();
        assert!(
            matches!(
                &error,
                Error::CannotExecute {
                    errno: Errno::ENOEXEC,
                    ..
                }
            ),
            "{name}: {error}"
        );
        assert!(error.to_string().contains(word), "{name}: {error}");
        let output = vm.exec(&path).await.unwrap();
        assert!(
            matches!(output.exit_code, 126 | 127 | 0),
            "{name}: {}",
            output.exit_code
        );
    }
    lives(&vm).await;
}

#[tokio::test]
async fn a_module_that_is_too_large_names_the_limit() {
    let vm = limited(&[("maxModuleFileBytes", 1000)]).await;
    vm.write_file("/home/user/big", [b"\0asm\x01\0\0\0".to_vec(), vec![0; 2000]].concat())
        .await
        .unwrap();
    vm.chmod("/home/user/big", 0o755).await.unwrap();
    let error = vm.exec_argv(["/home/user/big"]).await.unwrap_err();
    assert_eq!(
        error.limit().map(|limit| limit.limit),
        Some("maxModuleFileBytes"),
        "{error}"
    );
}

#[tokio::test]
async fn scripts_name_their_interpreter() {
    let vm = AgentOs::create().await.unwrap();
    for (name, text) in [
        ("s", "#!/bin/sh\necho script $1\n"),
        ("e", "#!/usr/bin/env sh\necho script $1\n"),
        ("c", "#!./s\n"),
    ] {
        vm.write_file(format!("/home/user/{name}"), text).await.unwrap();
        vm.chmod(format!("/home/user/{name}"), 0o755).await.unwrap();
    }
    assert_eq!(vm.exec_argv(["./s", "a"]).await.unwrap().stdout_text(), "script a\n");
    assert_eq!(vm.exec_argv(["./e", "b"]).await.unwrap().stdout_text(), "script b\n");
    assert_eq!(vm.exec_argv(["./c"]).await.unwrap().stdout_text(), "script ./c\n");
    vm.write_file("/home/user/loop", "#!/home/user/loop\n").await.unwrap();
    vm.chmod("/home/user/loop", 0o755).await.unwrap();
    assert!(vm.exec_argv(["./loop"]).await.is_err());
}

#[tokio::test]
async fn a_module_is_compiled_once_and_found_again() {
    let cache = tempfile::tempdir().unwrap();
    let private = cache.path().join("cache");
    let vm = AgentOs::builder()
        .cache_dir(Some(private.clone()))
        .software([])
        .create()
        .await
        .unwrap();
    let module = program("(call $exit (i32.const 3))");
    let path = install(&vm, "tool.wasm", &module).await;
    assert_eq!(vm.exec_argv([&path]).await.unwrap().exit_code, 3);
    let files = || {
        let mut pending = vec![private.clone()];
        let mut found = Vec::new();
        while let Some(folder) = pending.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    pending.push(path);
                } else {
                    found.push(path);
                }
            }
        }
        found
    };
    let kept = files();
    assert!(!kept.is_empty(), "nothing was kept");
    // Another VM, another name, the same content.
    let vm = AgentOs::builder()
        .cache_dir(Some(private.clone()))
        .software([])
        .create()
        .await
        .unwrap();
    let path = install(&vm, "other", &module).await;
    assert_eq!(vm.exec_argv([&path]).await.unwrap().exit_code, 3);
    assert_eq!(files(), kept);
}

#[tokio::test]
async fn neighbours_do_not_notice() {
    let (loud, quiet) = (AgentOs::create().await.unwrap(), AgentOs::create().await.unwrap());
    let spin = install(&loud, "spin.wasm", &program("(call $endless)")).await;
    let mut spinners = Vec::new();
    for _ in 0..20 {
        spinners.push(loud.spawn(&spin, [""; 0]).start().await.unwrap());
    }
    for number in 0..20 {
        let output = quiet.exec(format!("echo {number}")).await.unwrap();
        assert_eq!(output.stdout_text(), format!("{number}\n"));
    }
    // The loud one is slow, not dead.
    lives(&loud).await;
    loud.dispose().await;
    for mut spinner in spinners {
        assert_eq!(spinner.wait().await.unwrap(), 137);
    }
}
