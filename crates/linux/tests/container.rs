//! What holds for a privileged host process holds in an ordinary container too.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]
#![cfg(jail)]

mod common;

use agentos_linux::Probe;
use common::container::{again, confined, is_inside};
use common::{Vm, has};
use std::process::Stdio;

#[test]
fn programs_run() {
    again("programs_run");
    let Some(vm) = Vm::new() else { return };
    let script = "cd /tmp; mkdir a; echo text > a/f; cat a/f; (cd a; ls; pwd); seq 3 | sort -r | tr '\\n' ' '; id -u";
    assert_eq!(vm.sh(script).ok(), "text\nf\n/tmp/a\n3 2 1 0\n");
    if has("/usr/bin/python3") {
        let script =
            "import os,subprocess; print(os.getuid(), subprocess.run(['echo','x'],capture_output=True).stdout)";
        assert_eq!(vm.run(&["/usr/bin/python3", "-c", script]).ok(), "0 b'x\\n'\n");
    }
}

/// Set in processes that print what the probe says of them.
const PROBING: &str = "AGENTOS_TEST_PROBING";

/// What the probe says in a process under a filter, which is installed with `flags`.
fn refusal_under(filter: Vec<libc::sock_filter>, flags: libc::c_ulong) -> String {
    let mut command = confined(filter, flags, false);
    command.args(["the_reason_names_what_a_sandbox_forbids", "--exact", "--nocapture"]);
    let ran = command.env(PROBING, "1").stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let line = text.lines().find_map(|line| line.split_once("refusal: "));
    line.unwrap_or_else(|| panic!("{text}")).1.to_owned()
}

/// A filter that refuses a call if it has these flags (any if none are given).
fn forbid(call: libc::c_long, flags: u32, errno: i32) -> Vec<libc::sock_filter> {
    let step = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    vec![
        step(0x20, 0, 0, 0),
        step(0x15, call as u32, 0, 3),
        step(0x20, 24, 0, 0),
        step(0x45, flags, 0, 1),
        step(0x06, 0x5_0000 | errno as u32, 0, 0),
        step(0x06, 0x7fff_0000, 0, 0),
    ]
}

#[test]
fn the_reason_names_what_a_sandbox_forbids() {
    if std::env::var_os(PROBING).is_some() {
        println!("refusal: {}", Probe::run().refusal().unwrap_or_else(|| "none".into()));
        return;
    }
    if is_inside() || common::executor().is_none() {
        return;
    }
    const NEW_LISTENER: u32 = 8;
    const KILLABLE: u32 = 32;
    let end = "(agentos doctor tells more)";
    let docker = refusal_under(forbid(libc::SYS_seccomp, NEW_LISTENER, libc::EPERM), 0);
    assert!(
        docker.contains("seccomp notifications") && docker.contains("profile of the container"),
        "{docker}"
    );
    assert!(docker.ends_with(end), "{docker}");
    let gvisor = refusal_under(forbid(libc::SYS_seccomp, NEW_LISTENER, libc::EINVAL), 0);
    assert!(
        gvisor.contains("seccomp notifications") && gvisor.contains("gVisor"),
        "{gvisor}"
    );
    let old = refusal_under(forbid(libc::SYS_seccomp, KILLABLE, libc::EINVAL), 0);
    assert!(old.contains("WAIT_KILLABLE_RECV") && old.contains("5.19"), "{old}");
    let blind = refusal_under(forbid(libc::SYS_process_vm_readv, u32::MAX, libc::EPERM), 0);
    assert!(
        blind.contains("memory of a guest") && blind.contains("process_vm_readv"),
        "{blind}"
    );
    let plain = refusal_under(forbid(libc::SYS_landlock_create_ruleset, u32::MAX, libc::ENOSYS), 0);
    assert!(plain.contains("works") || plain.contains("Landlock"), "{plain}");
    assert_eq!(refusal_under(forbid(libc::SYS_acct, 0, 0), 0), "none");
}

#[test]
fn inside_another_supervisor_the_reason_is_told() {
    if is_inside() || common::executor().is_none() {
        return;
    }
    // A listener that has nothing to answer: what it is installed with allows everything.
    const NEW_LISTENER: libc::c_ulong = 8;
    let refusal = refusal_under(forbid(libc::SYS_acct, 0, 0), NEW_LISTENER);
    assert!(
        refusal.contains("seccomp notifications") && refusal.contains("another supervisor"),
        "{refusal}"
    );
}
