//! Processes of a VM in this process that were started and go on by themselves.
//!
//! A task for each reads what it writes, so that a process never waits because nobody asks for its output; of each stream
//! the end is kept, and every byte has a position that callers can go on from. The table is bounded: one that has ended makes
//! room, and if all of them run the next start is refused.

use crate::computer::{Log, ProcessLog, Result, Started};
use crate::failure::{Exceeded, Failure};
use crate::limits::Limits;
use agentos::{Process, ProcessControl, Signal, StdinWriter, Stream};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    all: Mutex<Vec<Arc<Entry>>>,
}

/// One process.
#[derive(Debug)]
struct Entry {
    argv: Vec<String>,
    control: ProcessControl,
    stdin: tokio::sync::Mutex<StdinWriter>,
    kept: Mutex<[Kept; 2]>,
    /// Counts what happened, for those who wait; closed when all was read.
    changes: watch::Sender<u64>,
}

/// What is kept of a stream.
#[derive(Debug, Default)]
struct Kept {
    start: u64,
    data: VecDeque<u8>,
    ended: bool,
}

impl Kept {
    fn add(&mut self, data: &[u8], cap: u64) {
        self.data.extend(data);
        let cap = usize::try_from(cap).unwrap_or(usize::MAX);
        let over = self.data.len().saturating_sub(cap);
        self.data.drain(..over);
        self.start = self.start.saturating_add(over as u64);
    }

    fn log(&self) -> Log {
        Log {
            start: self.start,
            data: self.data.iter().copied().collect::<Vec<u8>>().into(),
        }
    }
}

impl Processes {
    /// Makes room for another process, or says why there is none.
    pub(crate) fn make_room(&self, limits: &Limits) -> Result<()> {
        let mut all = self.all.lock();
        while all.len() >= limits.max_processes {
            let Some(oldest) = all.iter().position(|entry| entry.control.exit_code().is_some()) else {
                let (observed, cap) = (all.len() as u64 + 1, limits.max_processes as u64);
                return Err(Exceeded::new("mcp.maxProcesses", observed, cap, "running processes").into());
            };
            all.remove(oldest);
        }
        Ok(())
    }

    /// Takes a process that was just started.
    pub(crate) fn add(&self, argv: Vec<String>, mut process: Process, limits: &Limits) -> u32 {
        let control = process.control();
        let entry = Arc::new(Entry {
            argv,
            control: control.clone(),
            stdin: tokio::sync::Mutex::new(process.stdin()),
            kept: Mutex::default(),
            changes: watch::Sender::new(0),
        });
        let mut all = self.all.lock();
        // A number that was used before belongs to the new process.
        all.retain(|known| known.control.pid() != control.pid());
        all.push(Arc::clone(&entry));
        drop(all);
        tokio::spawn(read(entry, process, limits.max_process_log_bytes));
        control.pid()
    }

    /// All of them.
    pub(crate) fn list(&self) -> Vec<Started> {
        self.all.lock().iter().map(|entry| entry.describe()).collect()
    }

    fn find(&self, pid: u32) -> Result<Arc<Entry>> {
        let all = self.all.lock();
        let found = all.iter().find(|entry| entry.control.pid() == pid).cloned();
        found.ok_or_else(|| {
            let known: Vec<String> = all.iter().map(|entry| entry.control.pid().to_string()).collect();
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            };
            let message = format!("Process not found: {pid} was not started by process_start (started: {known})");
            Failure {
                field: Some("pid".to_owned()),
                ..Failure::new("process_not_found", message)
            }
        })
    }

    /// What a process wrote.
    pub(crate) async fn log(&self, pid: u32, seen: (u64, u64), wait: Duration) -> Result<ProcessLog> {
        let entry = self.find(pid)?;
        let mut changes = entry.changes.subscribe();
        let news = changes.wait_for(|_| entry.has_more_than(seen));
        // Neither the end of the waiting nor that of the process is a failure.
        let _ = tokio::time::timeout(wait, news).await;
        Ok(entry.log())
    }

    /// Gives input.
    pub(crate) async fn write(&self, pid: u32, data: &Bytes, close: bool) -> Result<()> {
        let entry = self.find(pid)?;
        let mut stdin = entry.stdin.lock().await;
        if !data.is_empty() {
            stdin.write_all(data).await?;
        }
        if close {
            stdin.close();
        }
        Ok(())
    }

    /// Sends a signal to the group.
    pub(crate) fn signal(&self, pid: u32, signal: Signal) -> Result<()> {
        let entry = self.find(pid)?;
        // A group outlives its leader while descendants run.
        Ok(entry.control.signal_group(signal)?)
    }
}

impl Drop for Processes {
    /// What was started for a client goes with the server that it was started on.
    fn drop(&mut self) {
        for entry in self.all.lock().iter() {
            let _ = entry.control.signal_group(Signal::Kill);
        }
    }
}

impl Entry {
    fn describe(&self) -> Started {
        Started {
            pid: self.control.pid(),
            argv: self.argv.clone(),
            exit_code: self.control.exit_code(),
        }
    }

    fn has_more_than(&self, (stdout, stderr): (u64, u64)) -> bool {
        let kept = self.kept.lock();
        let end = |kept: &Kept| kept.start.saturating_add(kept.data.len() as u64);
        kept[0].ended || end(&kept[0]) > stdout || end(&kept[1]) > stderr
    }

    fn log(&self) -> ProcessLog {
        let kept = self.kept.lock();
        ProcessLog {
            process: self.describe(),
            stdout: kept[0].log(),
            stderr: kept[1].log(),
        }
    }
}

/// Reads all that a process writes.
async fn read(entry: Arc<Entry>, mut process: Process, cap: u64) {
    while let Ok(Some(output)) = process.next_output().await {
        let at = usize::from(output.stream == Stream::Stderr);
        entry.kept.lock()[at].add(&output.data, cap);
        entry.changes.send_modify(|count| *count = count.wrapping_add(1));
    }
    let _ = process.control().wait().await;
    for kept in entry.kept.lock().iter_mut() {
        kept.ended = true;
    }
    entry.changes.send_modify(|count| *count = count.wrapping_add(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_stream_is_kept_with_its_position() {
        let mut kept = Kept::default();
        kept.add(b"abcdef", 4);
        kept.add(b"gh", 4);
        let log = kept.log();
        assert_eq!((log.start, &log.data[..], log.end()), (4, &b"efgh"[..], 8));
    }
}
