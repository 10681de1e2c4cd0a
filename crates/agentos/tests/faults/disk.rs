//! Guests that wait for a disk which does not answer.

use crate::PATIENCE;
use crate::faulty::{FaultyFs, SlowDisk};
use crate::support::install;
use agentos::{AgentOs, Errno, Mount, Signal};
use std::sync::Arc;
use std::time::Duration;

/// Virtual machines, and guests of each that wait: together more than workers are replaced, and more than a VM has CPUs.
const VMS: usize = 4;
const GUESTS: usize = 20;

/// Writes `/data/dsync`, opened so that each write is durable when it returns, and ends with the error number of the write.
const DSYNC: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_pwrite" (func $pwrite (param i32 i32 i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\10\00\00\00\01\00\00\00")
    (data (i32.const 16) "x")
    (data (i32.const 32) "data/dsync")
    (func (export "_start") (local $result i32)
        (local.set $result
            (call $open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const 10) (i32.const 1)
                (i64.const 64) (i64.const 64) (i32.const 2) (i32.const 64)))
        (if (local.get $result) (then (call $exit (i32.const 100))))
        (local.set $result (call $write (i32.load (i32.const 64)) (i32.const 0) (i32.const 1) (i32.const 8)))
        (if (local.get $result) (then (call $exit (local.get $result))))
        (call $exit (call $pwrite (i32.load (i32.const 64)) (i32.const 0) (i32.const 1) (i64.const 1) (i32.const 8)))))"#;

async fn vm(disk: &Arc<SlowDisk>) -> AgentOs {
    let mount = Mount::filesystem("/data", FaultyFs::on(disk));
    AgentOs::builder().mount(mount).create().await.unwrap()
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it ends")
}

async fn until(happened: impl Fn() -> bool) {
    let waiting = async {
        while !happened() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon(waiting).await;
}

async fn alive(vm: &AgentOs) {
    let output = soon(vm.exec("echo alive | cat").into_future()).await.unwrap();
    assert_eq!(output.stdout_text(), "alive\n");
}

/// Every way of the tools to make something durable.
fn command(number: usize) -> (&'static str, Vec<String>) {
    let write = |conv: &str| {
        let words = [
            "if=/dev/zero".to_owned(),
            "count=1".to_owned(),
            format!("of=/data/{number}"),
        ];
        words.into_iter().chain([format!("conv={conv}")]).collect()
    };
    match number % 3 {
        0 => ("dd", write("fsync")),
        1 => ("dd", write("fdatasync")),
        _ => ("sync", Vec::new()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_guests_that_wait_for_a_disk_hold_up_nobody() {
    let disk = Arc::default();
    let other = AgentOs::create().await.unwrap();
    other.prepare(|_| {}).await.unwrap();
    let (mut vms, mut waiting) = (Vec::new(), Vec::new());
    for _ in 0..VMS {
        let vm = vm(&disk).await;
        for number in 0..GUESTS {
            let (program, args) = command(number);
            waiting.push(vm.spawn(program, args).no_input().start().await.unwrap());
        }
        vms.push(vm);
    }
    until(|| disk.waiting() == VMS * GUESTS).await;
    for vm in vms.iter().chain([&other]) {
        alive(vm).await;
    }
    // One that is killed does not wait for its disk.
    let mut killed = waiting.pop().unwrap();
    killed.signal(Signal::Kill).unwrap();
    assert_eq!(soon(killed.wait()).await.unwrap(), 137);
    until(|| disk.waiting() == VMS * GUESTS - 1).await;
    disk.ends(Ok(()));
    for mut process in waiting {
        assert_eq!(soon(process.wait()).await.unwrap(), 0);
    }
    assert_eq!(disk.waiting(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_a_write_that_is_to_be_durable_waits_for_its_disk() {
    let disk = Arc::default();
    let vm = vm(&disk).await;
    let program = install(&vm, "dsync.wasm", DSYNC).await;
    let mut writer = vm.spawn(program, [""; 0]).cwd("/").no_input().start().await.unwrap();
    until(|| disk.waiting() == 1).await;
    // It is written, and not told so.
    assert_eq!(vm.read_file("/data/dsync").await.unwrap(), "x");
    assert_eq!(writer.control().exit_code(), None);
    disk.ends(Ok(()));
    assert_eq!(soon(writer.wait()).await.unwrap(), 0);
    assert_eq!(vm.read_file("/data/dsync").await.unwrap(), "xx");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_a_guest_is_told_what_its_disk_says_in_the_end() {
    let disk = Arc::default();
    let vm = vm(&disk).await;
    disk.ends(Err(Errno::EIO));
    for number in 0..2 {
        let (program, args) = command(number);
        let output = vm
            .exec_argv(std::iter::once(program.to_owned()).chain(args))
            .await
            .unwrap();
        let said = output.stderr_text();
        assert!(output.exit_code == 1 && said.contains("fsync failed"), "{said}");
    }
    let program = install(&vm, "dsync.wasm", DSYNC).await;
    // The number of EIO.
    assert_eq!(vm.exec_argv([program]).cwd("/").await.unwrap().exit_code, 29);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_writers_that_wait_for_room_hold_up_nobody() {
    let disk: Arc<SlowDisk> = Arc::default();
    disk.fill();
    let (mut vms, mut waiting) = (Vec::new(), Vec::new());
    for _ in 0..VMS {
        let vm = vm(&disk).await;
        for number in 0..GUESTS {
            // `dd` writes, and `cp` has the kernel copy.
            let script = match number % 2 {
                0 => format!("dd if=/dev/zero count=1 of=/data/{number} 2>/dev/null"),
                _ => format!("head -c 512 /dev/zero > /tmp/{number} && cp /tmp/{number} /data/{number}"),
            };
            waiting.push(
                vm.spawn("sh", ["-c".to_owned(), script])
                    .no_input()
                    .start()
                    .await
                    .unwrap(),
            );
        }
        vms.push(vm);
    }
    until(|| disk.waiting() == VMS * GUESTS).await;
    for vm in &vms {
        alive(vm).await;
        // Nothing was written, and reading waits for nothing.
        assert_eq!(soon(vm.read_file("/data/0").into_future()).await.unwrap(), "");
    }
    disk.ends(Ok(()));
    for mut process in waiting {
        assert_eq!(soon(process.wait()).await.unwrap(), 0);
    }
    assert_eq!(disk.waiting(), 0);
    for vm in &vms {
        for number in 0..GUESTS {
            assert_eq!(vm.stat(&format!("/data/{number}")).await.unwrap().size, 512, "{number}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_a_writer_that_waits_for_room_is_told_what_its_disk_says() {
    let disk: Arc<SlowDisk> = Arc::default();
    disk.fill();
    let vm = vm(&disk).await;
    let script = "echo x > /data/file || echo failed > /tmp/status";
    let mut writer = vm.spawn("sh", ["-c", script]).no_input().start().await.unwrap();
    until(|| disk.waiting() == 1).await;
    disk.ends(Err(Errno::ENOSPC));
    assert_eq!(soon(writer.wait()).await.unwrap(), 0);
    assert_eq!(vm.read_file("/tmp/status").await.unwrap(), "failed\n");
    assert_eq!(vm.read_file("/data/file").await.unwrap(), "");
}
