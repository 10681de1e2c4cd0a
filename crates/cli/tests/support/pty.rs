//! The binary on a pseudo-terminal.
#![allow(dead_code)]

use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

/// The binary on a terminal of its own, of which this is the other side.
pub(crate) struct Terminal {
    pub(crate) master: File,
    slave: OwnedFd,
    pub(crate) child: Child,
    shown: Receiver<Vec<u8>>,
    /// What was read and not looked at yet.
    screen: String,
}

impl Terminal {
    /// `setsid` makes the terminal the controlling one, without which nobody is told of its size.
    pub(crate) fn start(args: &[&str]) -> Self {
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

    pub(crate) fn keys(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Reads until this text was printed; gives all that was printed up to its end.
    pub(crate) fn until(&mut self, text: &str) -> String {
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

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn modes(&self) -> String {
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

pub(crate) fn resize(master: &OwnedFd, cols: u16, rows: u16) {
    let size = Winsize {
        ws_col: cols,
        ws_row: rows,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(master, size).expect("a terminal");
}
