//! A process that ignores the ends of its children is never told how they ended, so it runs no Linux programs and says why. Alone in its
//! process, whose business this is.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs)]

use agentos_linux::LinuxExecutor;

#[test]
fn a_process_that_ignores_its_children_says_why_it_runs_no_programs() {
    let started = LinuxExecutor::new();
    if let Some(why) = started.probe().refusal() {
        eprintln!("SKIPPED: {why}");
        return;
    }
    drop(started);
    // SAFETY: takes numbers alone. Nobody else in this process has children.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    let refusal = LinuxExecutor::new().probe().refusal().unwrap().to_string();
    assert!(refusal.contains("this process ignores SIGCHLD"), "{refusal}");
    // SAFETY: as above.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    assert!(LinuxExecutor::new().probe().refusal().is_none());
}
