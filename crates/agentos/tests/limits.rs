//! Limits as guests and clients meet them.

use agentos::{AgentOs, Errno, Error, Limits};

async fn limited(fields: &[(&str, u64)]) -> AgentOs {
    let mut limits = Limits::default();
    for (name, value) in fields {
        limits.set(name, *value).unwrap();
    }
    AgentOs::builder().limits(limits).create().await.unwrap()
}

#[tokio::test]
async fn the_file_quota_binds_to_the_byte() {
    let vm = limited(&[("maxFilesystemBytes", 1 << 20)]).await;
    let error = vm.write_file("/home/user/big", vec![0; 2 << 20]).await.unwrap_err();
    let limit = error.limit().expect("a limit error");
    assert_eq!((limit.limit, limit.capacity, limit.errno), ("maxFilesystemBytes", 1 << 20, Errno::ENOSPC));
    assert!(!vm.exists("/home/user/big").await.unwrap());
    let output = vm.exec("head -c 2000000 /dev/zero > big; ls -l big | wc -l; rm big; echo x > small && cat small").await.unwrap();
    assert!(output.stderr_text().contains("No space left on device"), "{}", output.stderr_text());
    assert_eq!(output.stdout_text(), "1\nx\n");
}

#[tokio::test]
async fn inodes_run_out_and_come_back() {
    let vm = limited(&[("maxInodeCount", 50)]).await;
    let output = vm.exec("for i in $(seq 100); do : > f$i || break; done; ls | wc -l; rm f*; : > again").await.unwrap();
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
    let bomb = vm.exec("f() { f | f & }; f; wait").timeout(std::time::Duration::from_millis(500));
    let (bomb, quiet) = tokio::join!(bomb, other.exec("echo fine"));
    assert_eq!(quiet.unwrap().stdout_text(), "fine\n");
    assert!(bomb.is_ok());
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
    assert_eq!((error.limit().unwrap().limit, error.errno()), ("maxProcessArgvBytes", Some(Errno::E2BIG)));
    let error = vm.exec("true").env("X", "x".repeat(2000)).await.unwrap_err();
    assert_eq!(error.limit().unwrap().limit, "maxProcessEnvBytes");

    let vm = limited(&[("maxOpenFdsPerProcess", 16)]).await;
    let output = vm.exec("for i in $(seq 3 40); do eval \"exec $i</dev/null\" || exit 9; done").await.unwrap();
    assert_ne!(output.exit_code, 0);
    assert!(output.stderr_text().contains("Too many open files"), "{}", output.stderr_text());
}

#[tokio::test]
async fn everything_is_given_back() {
    let vm = AgentOs::create().await.unwrap();
    vm.exec("seq 1000 | sort | uniq | wc -l > out; rm out; (sleep 0.01 &)").await.unwrap();
    let usage = loop {
        let usage = vm.usage();
        if usage.processes <= 1 {
            break usage;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((usage.open_fds, usage.filesystem_bytes, usage.inodes, usage.memory_bytes), (0, 0, 0, 0));
}
