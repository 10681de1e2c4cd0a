//! A process that ignores the ends of its children is never told how they ended, so it runs no Linux programs and says why. Alone in its
//! process, whose business this is.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs)]

use agentos_linux::{LinuxExecutor, hear_of_children};

extern "C" fn handle(_: i32) {}

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
    hear_of_children();
    assert!(LinuxExecutor::new().probe().refusal().is_none());
    // What somebody handles stays handled.
    let handler = handle as extern "C" fn(i32) as usize;
    // SAFETY: the handler does nothing.
    unsafe { libc::signal(libc::SIGCHLD, handler) };
    hear_of_children();
    // SAFETY: takes numbers alone.
    let found = unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    assert_eq!(found, handler);
}
