//! Processes on the agentOS kernel.
//!
//! A child is made by one `proc_spawn`: there is no fork, and what happens between fork and exec elsewhere is a list of
//! actions here. The child gets descriptors 0, 1 and 2 and nothing else. The kernel searches `PATH`, so that a program
//! found by name costs no extra calls, and reports a program that cannot start as the error of the spawn itself.

mod abi;
mod command;
mod output;
mod spawn;
mod status;

pub use command::{Command, CommandArgs, Stdio};
pub use output::{output, read_output};
pub use status::{ExitCode, ExitStatus, ExitStatusError};

pub use super::env::CommandEnvs;
pub use crate::ffi::OsString as EnvKey;
use crate::io;

pub type ChildPipe = crate::sys::pipe::Pipe;

/// A spawned child.
pub struct Process {
    pid: u32,
    status: Option<ExitStatus>,
}

impl Process {
    pub fn id(&self) -> u32 {
        self.pid
    }

    pub fn kill(&mut self) -> io::Result<()> {
        self.send_signal(abi::SIGKILL as i32)
    }

    /// Sends a signal. A child that was waited for is left alone, since its number may belong to another process now.
    pub fn send_signal(&self, signal: i32) -> io::Result<()> {
        if self.status.is_some() {
            return Ok(());
        }
        // SAFETY: no memory is passed.
        abi::check(unsafe { abi::sig_kill(self.pid as i32, signal as u32) })
    }

    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        let mut result = abi::WaitResult::default();
        // SAFETY: the record lives through the call.
        abi::retry(|| unsafe { abi::proc_wait(self.pid as i32, 0, &mut result) })?;
        Ok(*self.status.insert(ExitStatus::from_wait(&result)))
    }

    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_some() {
            return Ok(self.status);
        }
        let mut result = abi::WaitResult::default();
        // SAFETY: the record lives through the call.
        abi::retry(|| unsafe { abi::proc_wait(self.pid as i32, abi::WAIT_NOHANG, &mut result) })?;
        if result.pid != 0 {
            self.status = Some(ExitStatus::from_wait(&result));
        }
        Ok(self.status)
    }
}

fn ids() -> abi::Ids {
    let mut ids = abi::Ids::default();
    // SAFETY: the record lives through the call. A valid pointer is the only thing that it could complain about.
    unsafe { abi::proc_ids(&mut ids) };
    ids
}

pub fn getpid() -> u32 {
    ids().pid
}

pub fn getppid() -> u32 {
    ids().ppid
}
