//! The same programs on a terminal of the host.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

use super::{ENVIRONMENT, Session};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command};

pub struct Theirs {
    master: Option<File>,
    child: Child,
}

impl Theirs {
    pub fn start(argv: &[String]) -> Self {
        let (mut master, mut slave) = (-1, -1);
        let size = libc::winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        // SAFETY: two numbers are writable, the size is readable, and nothing else is asked for.
        let opened = unsafe {
            libc::openpty(
                &raw mut master,
                &raw mut slave,
                std::ptr::null_mut(),
                std::ptr::null(),
                &raw const size,
            )
        };
        assert_eq!(opened, 0);
        // SAFETY: the call made both, and nobody else has them.
        let (master, slave) = unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
        // SAFETY: takes numbers alone. Programs must not inherit the master, or hanging up would not be one.
        unsafe { libc::fcntl(master.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).env_clear();
        command.envs(ENVIRONMENT.iter().map(|variable| variable.split_once('=').unwrap()));
        let clone = || slave.try_clone().unwrap();
        command.stdin(clone()).stdout(clone()).stderr(clone());
        // SAFETY: what runs between fork and exec are system calls.
        unsafe {
            command.pre_exec(|| {
                // As for whoever logs in: these tests may run where somebody has keys and ends of terminals ignored.
                for signal in 1..32 {
                    libc::signal(signal, libc::SIG_DFL);
                }
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        Self {
            master: Some(master),
            child,
        }
    }
}

impl Session for Theirs {
    fn type_keys(&mut self, keys: &[u8]) {
        self.master.as_mut().unwrap().write_all(keys).unwrap();
    }

    fn screen(&mut self) -> Vec<u8> {
        let mut buf = [0; 4096];
        match self.master.as_mut().unwrap().read(&mut buf) {
            Ok(count) => buf[..count].to_vec(),
            Err(_) => Vec::new(),
        }
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        let size = libc::winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        // SAFETY: the request reads the size.
        unsafe {
            libc::ioctl(
                self.master.as_ref().unwrap().as_raw_fd(),
                libc::TIOCSWINSZ,
                &raw const size,
            )
        };
    }

    fn hang_up(&mut self) {
        drop(self.master.take());
    }

    fn end(&mut self) -> i32 {
        let status = self.child.wait().unwrap();
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
    }
}
