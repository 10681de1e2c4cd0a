//! Limits as guests and clients meet them.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod support;

use agentos::{AgentOs, Errno, Error, Limits, ListOptions, ShellOptions};
use std::time::Duration;
use support::{install, limited, lives};

#[tokio::test]
async fn the_file_quota_binds_to_the_byte() {
    let vm = limited(&[("maxFilesystemBytes", 1 << 20)]).await;
    let error = vm.write_file("/home/user/big", vec![0; 2 << 20]).await.unwrap_err();
    let limit = error.limit().expect("a limit error");
    assert_eq!(
        (limit.limit, limit.capacity, limit.errno),
        ("maxFilesystemBytes", 1 << 20, Errno::ENOSPC)
    );
    assert!(!vm.exists("/home/user/big").await.unwrap());
    let output = vm
        .exec("head -c 2000000 /dev/zero > big; ls -l big | wc -l; rm big; echo x > small && cat small")
        .await
        .unwrap();
    assert!(
        output.stderr_text().contains("No space left on device"),
        "{}",
        output.stderr_text()
    );
    assert_eq!(output.stdout_text(), "1\nx\n");
}

#[tokio::test]
async fn inodes_run_out_and_come_back() {
    let vm = limited(&[("maxInodeCount", 50)]).await;
    let output = vm
        .exec("for i in $(seq 100); do : > f$i || break; done; ls | wc -l; rm f*; : > again")
        .await
        .unwrap();
    assert_eq!(output.exit_code, 0);
    let made: u32 = output.stdout_text().trim().parse().unwrap();
    assert!((40..=50).contains(&made), "{made}");
    assert!(output.stderr_text().contains("No space left on device"));
}

#[tokio::test]
async fn processes_are_counted_to_the_last_one() {
    let vm = limited(&[("maxProcesses", 8), ("maxPipes", 1000)]).await;
    let mut held = Vec::new();
    let error = loop {
        match vm.spawn("sleep", ["1000"]).start().await {
            Ok(process) => held.push(process),
            Err(error) => break error,
        }
    };
    let Error::Limit(limit) = &error else { panic!("{error}") };
    assert_eq!((limit.limit, limit.observed, limit.capacity), ("maxProcesses", 9, 8));
    assert_eq!(
        error.to_string(),
        "limit exceeded: maxProcesses: 9 of 8 processes (limits.resources.maxProcesses)"
    );
    // A process that ended makes room.
    let one = held.pop().unwrap();
    one.signal(agentos::Signal::Kill).unwrap();
    one.control().wait().await.unwrap();
    vm.spawn("true", [""; 0]).start().await.unwrap();
}

#[tokio::test]
async fn a_fork_bomb_is_contained() {
    let vm = limited(&[("maxProcesses", 16)]).await;
    let other = AgentOs::create().await.unwrap();
    let bomb = vm.exec("f() { f | f & }; f; wait").timeout(Duration::from_millis(500));
    let (bomb, quiet) = tokio::join!(bomb, other.exec("echo fine"));
    assert_eq!(quiet.unwrap().stdout_text(), "fine\n");
    bomb.unwrap();
    // Whatever the bomb left behind in other groups ends with it, and the VM can be used again.
    for process in vm.all_processes().await.unwrap() {
        let _ = vm.signal_process(process.pid, agentos::Signal::Kill).await;
    }
    while vm.usage().processes > 0 {
        tokio::task::yield_now().await;
    }
    lives(&vm).await;
}

#[tokio::test]
async fn memory_of_a_process_is_capped() {
    let vm = limited(&[("maxWasmMemoryBytes", 16 << 20)]).await;
    let output = vm.exec("x=xxxxxxxx; while :; do x=$x$x; done").await.unwrap();
    assert_ne!(output.exit_code, 0);
    assert_eq!(vm.exec("echo alive").await.unwrap().stdout_text(), "alive\n");
}

#[tokio::test]
async fn cpu_time_runs_out() {
    let vm = limited(&[("maxCpuTimeMs", 200)]).await;
    let output = vm.exec_argv(["sh", "-c", "while :; do :; done"]).await.unwrap();
    assert_eq!(output.exit_code, 128 + 24, "{}", output.stderr_text());
}

#[tokio::test]
async fn descriptors_pipes_and_arguments_are_bounded() {
    let vm = limited(&[("maxPipes", 0)]).await;
    let error = vm.exec("true").await.unwrap_err();
    assert_eq!(error.limit().unwrap().limit, "maxPipes");

    let vm = limited(&[("maxProcessArgvBytes", 1000), ("maxProcessEnvBytes", 1000)]).await;
    let error = vm.exec_argv(["echo", &"x".repeat(2000)]).await.unwrap_err();
    assert_eq!(
        (error.limit().unwrap().limit, error.errno()),
        ("maxProcessArgvBytes", Some(Errno::E2BIG))
    );
    let error = vm.exec("true").env("X", "x".repeat(2000)).await.unwrap_err();
    assert_eq!(error.limit().unwrap().limit, "maxProcessEnvBytes");

    let vm = limited(&[("maxOpenFdsPerProcess", 16)]).await;
    let output = vm
        .exec("for i in $(seq 3 40); do eval \"exec $i</dev/null\" || exit 9; done")
        .await
        .unwrap();
    assert_ne!(output.exit_code, 0);
    assert!(
        ["Too many open files", "No file descriptors available"]
            .iter()
            .any(|text| output.stderr_text().contains(text)),
        "{}",
        output.stderr_text()
    );
}

#[tokio::test]
async fn descriptors_of_the_vm_are_bounded() {
    let vm = limited(&[("maxOpenFds", 40), ("maxOpenFdsPerProcess", 40)]).await;
    let mut held = Vec::new();
    let error = loop {
        match vm.spawn("sleep", ["1000"]).start().await {
            Ok(process) => held.push(process),
            Err(error) => break error,
        }
    };
    let limit = error.limit().unwrap();
    assert_eq!(
        (limit.limit, limit.capacity, limit.errno),
        ("maxOpenFds", 40, Errno::ENFILE)
    );
    drop(held);
}

#[tokio::test]
async fn a_guest_runs_out_of_pipes() {
    let vm = limited(&[("maxPipes", 6)]).await;
    // None of them ends, and gives a pipe back, before the last one is there.
    let pipeline = ["sleep 1000"; 7].join(" | ");
    let output = vm.exec(format!("{pipeline}; echo after $?")).await.unwrap();
    assert!(
        output.stderr_text().contains("esource temporarily unavailable"),
        "{}",
        output.stderr_text()
    );
    lives(&limited(&[("maxPipes", 6)]).await).await;
}

#[tokio::test]
async fn terminals_are_counted() {
    let vm = limited(&[("maxPtys", 2)]).await;
    let _one = vm.open_shell(ShellOptions::default()).await.unwrap();
    let two = vm.open_shell(ShellOptions::default()).await.unwrap();
    let error = vm.open_shell(ShellOptions::default()).await.unwrap_err();
    assert_eq!(
        error.limit().map(|limit| (limit.limit, limit.capacity)),
        Some(("maxPtys", 2))
    );
    let control = two.control();
    drop(two);
    control.wait().await.unwrap();
    drop(control);
    vm.open_shell(ShellOptions::default()).await.unwrap();
}

#[tokio::test]
async fn listings_are_bounded() {
    let vm = limited(&[("maxReaddirEntries", 10)]).await;
    vm.write_files((0..11).map(|number| (format!("/home/user/d/{number}"), "")))
        .await;
    let error = vm.read_dir("/home/user/d").await.unwrap_err();
    assert_eq!(
        error.limit().map(|limit| (limit.limit, limit.errno)),
        Some(("maxReaddirEntries", Errno::ENOMEM))
    );
    // The guest streams its listings, and so does the recursive form, which has a bound of its own.
    assert_eq!(vm.exec("ls d | wc -l").await.unwrap().stdout_text().trim(), "11");
    assert_eq!(
        vm.read_dir_recursive("/home/user/d", ListOptions::default())
            .await
            .unwrap()
            .len(),
        11
    );
}

#[tokio::test]
async fn the_memory_of_all_processes_is_bounded() {
    let vm = limited(&[("maxMemoryBytes", 64 << 20), ("maxWasmMemoryBytes", 48 << 20)]).await;
    let hog = r#"(module (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
        (memory (export "memory") 1)
        (func (export "_start") (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
            (loop $stay (drop (call $yield)) (br $stay))))"#;
    let path = install(&vm, "hog.wasm", hog).await;
    let hogs = [
        vm.spawn(&path, [""; 0]).start().await.unwrap(),
        vm.spawn(&path, [""; 0]).start().await.unwrap(),
    ];
    // Both together stay below the bound; a third process finds nothing left, or runs in what is left.
    loop {
        let used = vm.usage().memory_bytes;
        assert!(used <= 64 << 20, "{used}");
        if used > 60 << 20 {
            break;
        }
        tokio::task::yield_now().await;
    }
    match vm.exec("echo alive").await {
        Ok(output) => assert!(matches!(output.exit_code, 0 | 137), "{output:?}"),
        Err(error) => assert_eq!(
            error.limit().map(|limit| limit.limit),
            Some("maxMemoryBytes"),
            "{error}"
        ),
    }
    for hog in hogs {
        hog.signal(agentos::Signal::Kill).unwrap();
        hog.control().wait().await.unwrap();
    }
    assert_eq!(vm.usage().memory_bytes, 0);
    lives(&vm).await;
}

#[tokio::test]
async fn a_program_that_replaces_another_takes_over_its_memory() {
    let vm = limited(&[("maxMemoryBytes", 64 << 20)]).await;
    vm.write_file(
        "/home/user/again.sh",
        "if [ $1 -gt 0 ]; then exec sh again.sh $(($1 - 1)); fi; echo done",
    )
    .await
    .unwrap();
    let output = vm.exec("exec sh again.sh 200").await.unwrap();
    assert_eq!(
        (output.stdout_text(), output.stderr_text()),
        ("done\n".to_owned(), String::new())
    );
    assert_eq!(vm.usage().memory_bytes, 0);
}

#[tokio::test]
async fn several_memories_share_the_bound_of_the_process() {
    let vm = limited(&[("maxWasmMemoryBytes", 16 << 20)]).await;
    // Exits with the number of MiB that it got in all, of four memories that grow in turn.
    let greedy = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 16) (memory $b 16) (memory $c 16) (memory $d 16)
        (func (export "_start") (local $got i32)
            (local.set $got (i32.const 4))
            (loop $more
                (if (i32.ne (memory.grow 0 (i32.const 16)) (i32.const -1)) (then (local.set $got (i32.add (local.get $got) (i32.const 1))) (br $more)))
                (if (i32.ne (memory.grow $b (i32.const 16)) (i32.const -1)) (then (local.set $got (i32.add (local.get $got) (i32.const 1))) (br $more)))
                (if (i32.ne (memory.grow $d (i32.const 16)) (i32.const -1)) (then (local.set $got (i32.add (local.get $got) (i32.const 1))) (br $more))))
            (call $exit (local.get $got))))"#;
    let path = install(&vm, "greedy.wasm", greedy).await;
    assert_eq!(vm.exec_argv([path]).await.unwrap().exit_code, 16);
}

#[tokio::test]
async fn memory_that_could_not_grow_is_not_charged() {
    // Half a GiB more than the engine's places for memories have room for, which only the engine knows.
    let vm = limited(&[("maxMemoryBytes", 2 << 30), ("maxWasmMemoryBytes", 2 << 30)]).await;
    let refused = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start")
            (if (i32.ne (memory.grow (i32.const 24576)) (i32.const -1)) (then (return)))
            (if (i32.ne (memory.grow (i32.const 24576)) (i32.const -1)) (then (return)))
            (call $exit (i32.ne (memory.grow (i32.const 8192)) (i32.const 1)))))"#;
    let path = install(&vm, "refused.wasm", refused).await;
    assert_eq!(vm.exec_argv([path]).await.unwrap().exit_code, 0);
}

#[tokio::test]
async fn the_stack_is_bounded() {
    let deep = |depth: u32| {
        format!(
            r#"(module (memory (export "memory") 1)
            (func $deep (param i32) (result i32) (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 0))
                (else (i32.add (call $deep (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))))
            (func (export "_start") (drop (call $deep (i32.const {depth})))))"#
        )
    };
    let vm = limited(&[("maxWasmStackBytes", 64 << 10)]).await;
    let path = install(&vm, "shallow.wasm", &deep(100)).await;
    assert_eq!(vm.exec_argv([path]).await.unwrap().exit_code, 0);
    let path = install(&vm, "deep.wasm", &deep(100_000)).await;
    assert_eq!(vm.exec_argv([path]).await.unwrap().exit_code, 128 + 11);
    lives(&limited(&[]).await).await;
}

#[tokio::test]
async fn a_blocking_read_can_be_bounded() {
    let vm = limited(&[("maxBlockingReadMs", 50)]).await;
    let mut process = vm.spawn("cat", [""; 0]).start().await.unwrap();
    let _held = process.stdin();
    assert_ne!(process.control().wait().await.unwrap(), 0);
}

#[tokio::test]
async fn everything_is_given_back() {
    let vm = AgentOs::create().await.unwrap();
    vm.exec("seq 1000 | sort | uniq | wc -l > out; rm out; (sleep 0.01 &)")
        .await
        .unwrap();
    let usage = loop {
        let usage = vm.usage();
        if usage.processes == 0 {
            break usage;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(
        (usage.open_fds, usage.filesystem_bytes, usage.inodes, usage.memory_bytes),
        (0, 0, 0, 0)
    );
    assert!(usage.peak_memory_bytes > 0 && usage.processes_started >= 5 && usage.cpu_time > Duration::ZERO);
}

#[test]
fn wrong_limits_are_named() {
    let mut limits = Limits::default();
    let error = limits.set("maxProceses", 1).unwrap_err().to_string();
    assert!(error.contains("did you mean maxProcesses"), "{error}");
    let error = limits
        .set_text("maxFilesystemBytes", "1 apple")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("maxFilesystemBytes") && error.contains("1 apple"),
        "{error}"
    );
}
