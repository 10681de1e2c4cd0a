//! Linux programs by the command, and what they share with those of WebAssembly.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod support;

use std::process::Command;
use support::run;

/// Whether the machine runs them.
fn runs_linux() -> bool {
    let runs = run(&["run", "--image", "host", "--", "/usr/bin/true"]).status == Some(0);
    if !runs {
        eprintln!("SKIPPED: no Linux programs here");
    }
    runs
}

#[test]
fn whoever_starts_it_may_ignore_the_ends_of_children() {
    if !runs_linux() {
        return;
    }
    let agentos = env!("CARGO_BIN_EXE_agentos");
    let ran = Command::new("/usr/bin/env")
        .args(["--ignore-signal=CHLD", agentos, "run", "--image", "host", "--"])
        .args(["/usr/bin/bash", "-c", "/usr/bin/false; echo $?"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stderr), "");
    assert_eq!((ran.status.code(), ran.stdout.as_slice()), (Some(0), &b"1\n"[..]));
}

#[test]
fn locks_hold_between_both_kinds() {
    if !runs_linux() {
        return;
    }
    // The shell and `flock` are bundled; what has a path is the host's.
    let script = r#"
        test=/tmp/try; printf '%s\n' 'import fcntl, sys' 'f = open(sys.argv[1], "a")' \
            'try: fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB); print("free")' \
            'except BlockingIOError: print("taken")' > $test
        for lock in /tmp/lock /home/user/lock; do
            exec 9>$lock
            flock -n 9; /usr/bin/python3 $test $lock
            flock -u 9; /usr/bin/python3 $test $lock
            /usr/bin/flock -n 9; flock -n $lock true || echo taken
            /usr/bin/flock -u 9; flock -n $lock echo free
            flock -n $lock /usr/bin/python3 $test $lock
            /usr/bin/flock -n $lock flock -n $lock true || echo taken
            exec 9>&-
        done
    "#;
    let ran = run(&["run", "--image", "host", "-c", script]);
    let once = "taken\nfree\ntaken\nfree\ntaken\ntaken\n";
    assert_eq!(
        (ran.stderr.as_str(), ran.stdout.as_str(), ran.status),
        ("", once.repeat(2).as_str(), Some(0))
    );
}
