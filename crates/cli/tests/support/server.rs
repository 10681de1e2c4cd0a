//! `agentos serve` as a process of a test.
#![allow(dead_code)]

use agentos_client::Client;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A server of this test.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) url: String,
}

/// The program, without what the environment would tell it.
pub(crate) fn agentos() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_agentos")))
}

fn clean(mut command: Command) -> Command {
    for variable in ["AGENTOS_HOST", "AGENTOS_PORT", "AGENTOS_DATA_DIR", "AGENTOS_TOKEN"] {
        command.env_remove(variable);
    }
    command
}

impl Server {
    /// A server on a port of its own.
    pub(crate) fn start(data: &Path, more: &[&str]) -> Self {
        Self::run(agentos(), data, more)
    }

    /// A server on a socket that is passed to it as a service manager does.
    pub(crate) fn passed(listener: &TcpListener, data: &Path, more: &[&str]) -> Self {
        let mut command = clean(Command::new("sh"));
        let script = "exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\"";
        command.args(["-c", script, env!("CARGO_BIN_EXE_agentos")]);
        command.stdin(std::os::fd::OwnedFd::from(listener.try_clone().expect("a descriptor")));
        Self::run(command, data, more)
    }

    pub(crate) fn run(mut command: Command, data: &Path, more: &[&str]) -> Self {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe"))
            .read_line(&mut line)
            .expect("a line");
        let url = line.trim().rsplit(' ').next().expect("a URL").to_owned();
        let is_url = url.starts_with("http://127.0.0.1:") || url.starts_with("https://127.0.0.1:");
        assert!(line.starts_with("agentos is listening on ") && is_url, "{line}");
        Self { child, url }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url).expect("a URL")
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it runs");
    }

    pub(crate) fn end(mut self, signal: rustix::process::Signal) -> ExitStatus {
        self.signal(signal);
        self.child.wait().expect("a status")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
