//! What the cases share: running things, and looking at what was refused.

pub(crate) use crate::support::{install, limited, lives};
use agentos::{AgentOs, AuditKind, Errno, Event, Events, ExecOutput, LimitExceeded, LimitUsage, Process, Signal};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Runs a module alone and gives its exit status.
pub(crate) async fn run(vm: &AgentOs, name: &str, module: &str) -> i32 {
    let path = install(vm, name, module).await;
    vm.exec_argv([path]).await.unwrap().exit_code
}

/// A shell that runs a script, and what it says is left in its pipes.
pub(crate) async fn start(vm: &AgentOs, script: &str) -> Process {
    vm.spawn("sh", ["-c", script]).start().await.unwrap()
}

/// The same, once it has said something.
pub(crate) async fn serve(vm: &AgentOs, script: &str) -> Process {
    let mut process = start(vm, script).await;
    process.first_output().await.expect("it says that it is ready");
    process
}

/// The text of standard error, which must hold `text`.
pub(crate) fn says(output: &ExecOutput, text: &str) {
    let said = output.stderr_text();
    assert!(
        said.contains(text),
        "no {text:?} in {said:?} (exit code {})",
        output.exit_code
    );
}

/// The next entry of the audit trail about this limit.
pub(crate) async fn breach(events: &mut Events, name: &str) -> LimitExceeded {
    loop {
        let Event::Audit(entry) = events.next().await.expect("the VM still lives") else {
            continue;
        };
        if let AuditKind::LimitExceeded { limit, .. } | AuditKind::ProcessKilled { limit, .. } = entry.kind
            && limit.limit == name
        {
            return limit;
        }
    }
}

/// What is expected of a typed error: path, unit, observed value, cap and errno.
pub(crate) type Expected = (&'static str, &'static str, u64, u64, Errno);

/// Checks everything that a typed error says.
pub(crate) fn check(limit: &LimitExceeded, (path, unit, observed, capacity, errno): Expected) {
    let name = path.rsplit('.').next().unwrap();
    assert_eq!(
        (limit.limit, limit.configuration_path),
        (name, format!("limits.{path}").as_str())
    );
    assert_eq!(
        (limit.unit, limit.observed, limit.capacity, limit.errno),
        (unit, observed, capacity, errno),
        "{limit}"
    );
    assert!(!limit.operation.is_empty());
}

/// Waits for the entry about this limit, and checks it.
pub(crate) async fn audited(events: &mut Events, expected: Expected) {
    let name = expected.0.rsplit('.').next().unwrap();
    check(&breach(events, name).await, expected);
}

/// The same where the observed value is not known beforehand; gives it.
pub(crate) async fn audited_beyond(
    events: &mut Events,
    (path, unit, capacity, errno): (&'static str, &'static str, u64, Errno),
) -> u64 {
    let limit = breach(events, path.rsplit('.').next().unwrap()).await;
    check(&limit, (path, unit, limit.observed, capacity, errno));
    assert!(limit.observed > capacity, "{limit}");
    limit.observed
}

/// Present use of a stock, which is within its cap.
pub(crate) fn used(vm: &AgentOs, name: &str) -> LimitUsage {
    let usage = vm.usage();
    let used = *usage.limits.iter().find(|used| used.limit == name).expect("a stock");
    assert!(used.observed <= used.capacity, "{used:?}");
    used
}

/// Lets everybody run until `condition` holds.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

/// Everything has ended and nothing is counted any more but files.
pub(crate) async fn idle(vm: &AgentOs) {
    let files = ["maxFilesystemBytes", "maxInodeCount"];
    loop {
        for process in vm.all_processes().await.unwrap() {
            let _ = vm.signal_process(process.pid, Signal::Kill).await;
        }
        let empty = |used: &LimitUsage| used.observed == 0 || files.contains(&used.limit);
        if vm.usage().limits.iter().all(empty) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

pub(crate) fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}
