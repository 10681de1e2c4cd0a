//! The host's terminal attached to the VM's, driven through a real pseudo-terminal.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod support;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

/// The binary on a terminal of its own, of which this is the other side.
struct Terminal {
    master: File,
    slave: OwnedFd,
    child: Child,
    shown: Receiver<Vec<u8>>,
    /// What was read and not looked at yet.
    screen: String,
}

impl Terminal {
    /// `setsid` makes the terminal the controlling one, without which nobody is told of its size.
    fn start(args: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("a slave");
        let name = ptsname(&master, Vec::new()).expect("its name");
        let slave = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("the slave");
        resize(&master, 100, 30);
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", env!("CARGO_BIN_EXE_agentos")])
            .args(args)
            .env("TERM", "xterm");
        let end = || slave.try_clone().expect("a descriptor");
        let child = command
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("setsid of util-linux");
        let master = File::from(master);
        let shown = watch(master.try_clone().expect("a descriptor"));
        Self {
            master,
            slave,
            child,
            shown,
            screen: String::new(),
        }
    }

    fn keys(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Reads until this text was printed; gives all that was printed up to its end.
    fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.screen.find(text) {
                let rest = self.screen.split_off(at + text.len());
                return std::mem::replace(&mut self.screen, rest);
            }
            match self.shown.recv_timeout(PATIENCE) {
                Ok(bytes) => self.screen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("{text:?} does not come: {:?}", self.screen),
            }
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn modes(&self) -> String {
        format!("{:?}", tcgetattr(&self.slave).expect("a terminal"))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// So that a text that does not come fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads what is printed until the terminal is gone.
fn watch(mut master: File) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = master.read(&mut chunk) {
            if sender.send(chunk[..n].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

fn resize(master: &OwnedFd, cols: u16, rows: u16) {
    let size = Winsize {
        ws_col: cols,
        ws_row: rows,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(master, size).expect("a terminal");
}

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
