//! Every process of a VM, whoever started it.

use crate::error::{Error, Result};
use crate::path;
use crate::process::Signal;
use crate::stream;
use crate::vm::{AgentOs, Vm};
use agentos_kernel::id::Pid;
use agentos_kernel::process::Process as KernelProcess;
use std::sync::Arc;

/// A process of the VM, as `ps` would show it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessInfo {
    /// Process id.
    pub pid: u32,
    /// Parent.
    pub ppid: u32,
    /// Process group.
    pub pgid: u32,
    /// Session.
    pub sid: u32,
    /// Name of the program.
    pub command: String,
    /// Arguments after the name.
    pub args: Vec<String>,
    /// Exit code once it has ended.
    pub exit_code: Option<i32>,
    /// Working directory; empty once it has ended.
    pub cwd: String,
    /// Start, ms since the epoch.
    pub start_time_ms: i64,
    /// End, ms since the epoch, once it has ended.
    pub exit_time_ms: Option<i64>,
}

/// A process that has ended and of which nothing else is left.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExitedProcess {
    /// Process id; it may belong to another process by now.
    pub pid: u32,
    /// Arguments, joined by blanks and cut to 256 bytes.
    pub command: String,
    /// Exit code; 128 + n after signal n.
    pub exit_code: i32,
    /// Start, ms since the epoch.
    pub start_time_ms: i64,
    /// End, ms since the epoch.
    pub end_time_ms: i64,
}

/// A process with its children.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessTree {
    /// The process.
    pub process: ProcessInfo,
    /// Its children, by pid.
    pub children: Vec<ProcessTree>,
}

impl AgentOs {
    /// Every process of the VM, by pid. The VM's own init is not listed.
    pub async fn all_processes(&self) -> Result<Vec<ProcessInfo>> {
        let vm = &self.vm;
        let mut all: Vec<ProcessInfo> = vm.kernel.processes().iter().filter_map(|one| info(vm, one)).collect();
        all.sort_unstable_by_key(|process| process.pid);
        Ok(all)
    }

    /// Ids of the processes that run, those that only wait to be reaped left out, without the VM's own init.
    pub fn running(&self) -> Vec<u32> {
        self.running_processes().map(|process| process.pid().0).collect()
    }

    /// Waits until no process runs.
    pub async fn idle(&self) {
        loop {
            let Some(process) = self.running_processes().next() else {
                return;
            };
            stream::exit(&process).await;
        }
    }

    fn running_processes(&self) -> impl Iterator<Item = Arc<KernelProcess>> + use<> {
        let all = self.vm.kernel.processes().into_iter();
        all.filter(|process| process.pid() != Pid::INIT && process.exit_status().is_none())
    }

    /// Processes that the host started, or that lost their parent, and that have ended, oldest first: the latest
    /// `limits.process.maxRetainedExited`.
    pub fn exited_processes(&self) -> Vec<ExitedProcess> {
        let all = self.vm.kernel.exited();
        let ended = |ended: agentos_kernel::process::Exited| ExitedProcess {
            pid: ended.pid.0,
            command: String::from_utf8_lossy(&ended.command).into_owned(),
            exit_code: i32::from(ended.status.code()),
            start_time_ms: ended.started.0 / 1_000_000,
            end_time_ms: ended.ended.0 / 1_000_000,
        };
        all.into_iter().map(ended).collect()
    }

    /// Sends a signal to a process of the VM, whoever started it. Success if it has ended and was not reaped yet.
    pub async fn signal_process(&self, pid: u32, signal: Signal) -> Result<()> {
        self.vm.alive()?;
        if pid == Pid::INIT.0 || !self.vm.kernel.processes().iter().any(|process| process.pid().0 == pid) {
            return Err(Error::ProcessNotFound(pid));
        }
        self.vm.signal(i64::from(pid), signal.kernel())
    }

    /// The processes of the VM as a forest.
    pub async fn process_tree(&self) -> Result<Vec<ProcessTree>> {
        let all = self.all_processes().await?;
        let is_root = |process: &&ProcessInfo| !all.iter().any(|other| other.pid == process.ppid);
        // A parent is older than its child, and pids in a table are distinct, so this ends; the depth is bounded below.
        Ok(all
            .iter()
            .filter(is_root)
            .map(|process| tree(process, &all, 0))
            .collect())
    }
}

/// Levels of a process tree that are reported; deeper ones are cut off.
const TREE_DEPTH: usize = 128;

fn tree(process: &ProcessInfo, all: &[ProcessInfo], depth: usize) -> ProcessTree {
    let children = all
        .iter()
        .filter(|other| other.ppid == process.pid && depth < TREE_DEPTH);
    ProcessTree {
        process: process.clone(),
        children: children.map(|child| tree(child, all, depth + 1)).collect(),
    }
}

fn info(vm: &Vm, process: &Arc<KernelProcess>) -> Option<ProcessInfo> {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if process.pid() == Pid::INIT {
        return None;
    }
    let argv = process.argv();
    let place = |cwd| vm.as_root(|cx| vm.kernel.vfs().path_of(cx, &cwd)).ok();
    Some(ProcessInfo {
        cwd: process
            .cwd()
            .and_then(place)
            .map_or_else(String::new, |path| path::decode(&path)),
        pid: process.pid().0,
        ppid: process.ppid().0,
        pgid: process.pgid().0,
        sid: process.sid().0,
        command: argv
            .first()
            .map(|name| lossy(name))
            .unwrap_or_else(|| lossy(&process.name())),
        args: argv.iter().skip(1).map(|arg| lossy(arg)).collect(),
        exit_code: process.exit_status().map(|status| i32::from(status.code())),
        start_time_ms: process.start_time().0 / 1_000_000,
        exit_time_ms: process.end_time().map(|time| time.0 / 1_000_000),
    })
}
