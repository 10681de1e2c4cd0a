//! The host's terminal attached to the VM's, driven through a real pseudo-terminal.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

#[path = "support/pty.rs"]
mod pty;
mod support;

use pty::{Terminal, resize};
use rustix::process::{Signal, kill_process};
use std::os::fd::OwnedFd;

#[test]
fn the_guest_has_a_terminal_of_the_same_size() {
    let mut terminal = Terminal::start(&["run", "-c", "tty; stty size; read line; echo \"got $line\""]);
    let shown = terminal.until("30 100");
    assert!(shown.contains("/dev/pts/0"), "{shown}");
    terminal.keys("hello\r");
    // Echoed once, by the guest's terminal; the host's is raw.
    let shown = terminal.until("got hello");
    assert_eq!(shown.matches("hello").count(), 2, "{shown}");
    assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_new_size_reaches_the_guest() {
    let script = "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.1; done";
    let mut terminal = Terminal::start(&["run", "-c", script]);
    terminal.until("ready");
    let master: OwnedFd = terminal.master.try_clone().unwrap().into();
    resize(&master, 132, 43);
    terminal.until("43 132");
    assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
}

#[test]
fn keys_that_signal_do_so_in_the_guest() {
    let mut terminal = Terminal::start(&[
        "run",
        "-c",
        "trap 'echo caught; exit 9' INT; sh -c 'echo ready; exec sleep 1000'; :",
    ]);
    terminal.until("ready");
    terminal.keys("\x03");
    terminal.until("caught");
    assert_eq!(terminal.child.wait().unwrap().code(), Some(9));
    let mut terminal = Terminal::start(&["run", "-c", "echo ready; cat"]);
    terminal.until("ready");
    terminal.keys("\x04");
    assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_terminal_is_as_it_was_afterwards() {
    let ends: [(&[&str], Option<Signal>, i32); 4] = [
        (&["run", "-c", "echo ready; exit 3"], None, 3),
        (
            &["run", "--timeout", "200ms", "-c", "echo ready; sleep 1000"],
            None,
            124,
        ),
        (&["run", "-c", "echo ready; sleep 1000"], Some(Signal::TERM), 128 + 15),
        (&["run", "-c", "echo ready; sleep 1000"], Some(Signal::HUP), 128 + 1),
    ];
    for (args, signal, status) in ends {
        let mut terminal = Terminal::start(args);
        // Whatever the binary did by now, this is the state of a new terminal.
        let fresh = Terminal::start(&["--version"]).modes();
        terminal.until("ready");
        if let Some(signal) = signal {
            kill_process(terminal.pid(), signal).unwrap();
        }
        assert_eq!(terminal.child.wait().unwrap().code(), Some(status), "{args:?}");
        assert_eq!(terminal.modes(), fresh, "{args:?}");
    }
}

#[test]
fn a_shell_edits_lines_and_keeps_jobs() {
    let mut terminal = Terminal::start(&["shell"]);
    terminal.until(PROMPT);
    terminal.keys("echo $((6*7))\r");
    terminal.until("42\r\n");
    terminal.until(PROMPT);
    // The line is edited: two letters are taken back.
    terminal.keys("echo abxx\x7f\x7fcd\r");
    terminal.until("\nabcd");
    terminal.until(PROMPT);
    terminal.keys("sh -c 'echo be\"\"gun; exec sleep 1000'\r");
    terminal.until("\nbegun");
    terminal.keys("\x1a");
    terminal.until("topped");
    terminal.until(PROMPT);
    terminal.keys("jobs\r");
    terminal.until("topped");
    terminal.until(PROMPT);
    terminal.keys("kill %1; sleep 0.1\r");
    terminal.until("erminated");
    terminal.until(PROMPT);
    terminal.keys("exit 5\r");
    assert_eq!(terminal.child.wait().unwrap().code(), Some(5));
}

/// The end of the shell's prompt: it asks for a line now.
const PROMPT: &str = "\x1b[17C";
