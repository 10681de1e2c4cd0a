//! The kernel's side.

use super::common::ManualClock;
use agentos_kernel::errno::Errno;
use agentos_kernel::fd::{File, IoResult, PollEvents};
use agentos_kernel::id::{Gid, Pid, Uid};
use agentos_kernel::limits::Limits;
use agentos_kernel::tty::{JobControl, Master, PtyTable, Queue, Slave, Termios, TtySignal, When};
use core::task::Poll;
use parking_lot::Mutex;
use std::sync::Arc;

/// Remembers signals instead of delivering them.
#[derive(Default)]
pub struct Signals(Mutex<Vec<(Pid, TtySignal)>>);

impl Signals {
    /// The signals since the last call, with their group or leader.
    pub fn take(&self) -> Vec<(Pid, TtySignal)> {
        core::mem::take(&mut self.0.lock())
    }
}

impl JobControl for Signals {
    fn signal_group(&self, group: Pid, signal: TtySignal) {
        self.0.lock().push((group, signal));
    }
    fn signal_leader(&self, session: Pid, signal: TtySignal) {
        self.0.lock().push((session, signal));
    }
}

/// A table with a clock and a place for signals.
pub fn table() -> (PtyTable, Arc<ManualClock>, Arc<Signals>) {
    let (clock, signals) = (Arc::new(ManualClock::default()), Arc::new(Signals::default()));
    let table = PtyTable::new(&Limits::default(), clock.clone(), signals.clone());
    (table, clock, signals)
}

/// What a call that does not wait answers.
pub fn now<T>(result: IoResult<T>) -> Result<T, Errno> {
    match result {
        Poll::Ready(result) => result.map_err(|error| error.errno()),
        Poll::Pending => Err(Errno::EAGAIN),
    }
}

pub struct Ours {
    master: Arc<Master>,
    slave: Arc<Slave>,
}

impl Ours {
    pub fn new() -> Self {
        let (master, slave) = table().0.open((Uid::USER, Gid::USER)).unwrap();
        Self { master, slave }
    }
}

impl super::differential::Terminal for Ours {
    fn set(&mut self, termios: &Termios, when: When) -> Termios {
        self.slave.pty().set_attributes(when, *termios).unwrap();
        self.slave.pty().attributes().unwrap()
    }
    fn type_keys(&mut self, keys: &[u8]) -> Result<usize, Errno> {
        now(self.master.write(keys, None))
    }
    fn print(&mut self, text: &[u8]) -> Result<usize, Errno> {
        now(self.slave.write(text, None))
    }
    fn read(&mut self, most: usize) -> Result<Vec<u8>, Errno> {
        let mut buf = vec![0; most];
        let count = now(self.slave.read(&mut buf, None))?;
        buf.truncate(count);
        Ok(buf)
    }
    fn screen(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buf = [0; 1000];
        while let Ok(count) = now(self.master.read(&mut buf, None)) {
            all.extend_from_slice(&buf[..count]);
        }
        all
    }
    fn available(&mut self) -> u64 {
        self.slave.available().unwrap()
    }
    fn readable(&mut self) -> bool {
        self.slave.poll(PollEvents::IN, None).contains(PollEvents::IN)
    }
    fn flush(&mut self, queue: Queue) {
        self.slave.pty().flush(queue).unwrap();
    }
    fn hold(&mut self, held: bool) {
        self.slave.pty().set_output_stopped(held).unwrap();
    }
}
