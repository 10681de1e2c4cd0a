//! Processes that clients started by `spawn`.

use super::log::Log;
use super::{Emit, Machine};
use crate::errors::{from_sdk, limit_value, process_not_found};
use crate::executions::Place;
use agentos::{Output, Process, ProcessControl, Signal, StdinWriter, Stream, TimingMitigation};
use agentos_actor::Event;
use agentos_value::{ActorError, Object, Value};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// Time between SIGTERM and SIGKILL for a process that ran out of its time.
const GRACE: Duration = Duration::from_secs(2);

/// Exit code of a process that ran out of its time, whatever it ended with.
const TIMED_OUT: i32 = 124;

/// Ended processes of which it is kept what they wrote.
const LOGS_RETAINED: usize = 16;

/// What to start.
#[derive(Debug, Default)]
pub(crate) struct SpawnPlan {
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: Option<String>,
    /// Written to its standard input at once.
    pub(crate) stdin: Option<Bytes>,
    /// Whether its standard input stays open for more.
    pub(crate) stream_stdin: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) cpu_time: Option<Duration>,
    pub(crate) timing: TimingMitigation,
    /// Whether output is announced.
    pub(crate) capture: bool,
}

/// A process that a client started.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    pub(crate) control: ProcessControl,
    stdin: Mutex<StdinWriter>,
    /// What it wrote to its standard output and error.
    logs: parking_lot::Mutex<[Log; 2]>,
    /// Whether that is all it wrote.
    complete: AtomicBool,
    /// Whether it still ran when its time was over.
    timed_out: AtomicBool,
}

/// The processes of a VM that clients know by their ids.
#[derive(Debug)]
pub(super) struct Processes {
    records: VecDeque<Arc<Record>>,
    retained: usize,
    tasks: Vec<JoinHandle<()>>,
}

impl Record {
    /// The exit code that clients see, if it has ended.
    fn exit_code(&self) -> Option<i32> {
        self.control.exit_code().map(|code| self.shown(code))
    }

    fn shown(&self, code: i32) -> i32 {
        if self.timed_out.load(Ordering::Acquire) {
            TIMED_OUT
        } else {
            code
        }
    }

    /// Waits for the end and gives the exit code that clients see.
    pub(crate) async fn wait(&self) -> Result<i32, ActorError> {
        let code = self.control.wait().await.map_err(from_sdk)?;
        Ok(self.shown(code))
    }

    /// `{pid, command, args, running, exitCode}`.
    pub(crate) fn to_value(&self) -> Value {
        let exit_code = self.exit_code();
        Value::object([
            ("pid", Value::from(self.control.pid())),
            ("command", Value::from(self.command.as_str())),
            ("args", Value::from(self.args.clone())),
            ("running", Value::Bool(exit_code.is_none())),
            ("exitCode", Value::from(exit_code)),
        ])
    }

    /// `{stdout, stderr, complete}`, each stream `{head, tail, discarded}`.
    pub(crate) fn log(&self) -> Value {
        // In this order: a log that is complete has everything.
        let complete = self.complete.load(Ordering::Acquire);
        let logs = self.logs.lock();
        let mut object = Object::new();
        for (name, log) in ["stdout", "stderr"].into_iter().zip(&*logs) {
            object.insert(name, log.to_value());
        }
        object.insert("complete", complete);
        Value::Object(object)
    }

    fn wrote(&self, stream: Stream, data: &[u8]) {
        let mut logs = self.logs.lock();
        logs[usize::from(stream == Stream::Stderr)].push(data);
    }

    /// Writes to its standard input; waits while the pipe is full.
    pub(crate) async fn write_stdin(&self, data: &Bytes) -> Result<(), ActorError> {
        self.stdin.lock().await.write_all(data).await.map_err(from_sdk)
    }

    /// Ends its standard input, after everything that is being written.
    pub(crate) async fn close_stdin(&self) {
        self.stdin.lock().await.close();
    }
}

impl Processes {
    /// None yet; at most `retained` that have ended are remembered.
    pub(super) fn new(retained: usize) -> Self {
        Self {
            records: VecDeque::new(),
            retained,
            tasks: Vec::new(),
        }
    }

    fn add(&mut self, record: Arc<Record>, task: JoinHandle<()>) {
        // A number that the kernel gives out again belongs to the newer process.
        self.records.retain(|known| known.control.pid() != record.control.pid());
        self.records.push_back(record);
        self.forget();
        self.tasks.retain(|task| !task.is_finished());
        self.tasks.push(task);
    }

    /// Forgets the oldest ended ones beyond what is retained, and what all but the last few of them wrote.
    fn forget(&mut self) {
        let ended = |record: &Arc<Record>| record.control.exit_code().is_some();
        let silent = self
            .records
            .iter()
            .rev()
            .filter(|record| ended(record))
            .skip(LOGS_RETAINED);
        silent.for_each(|record| record.logs.lock().iter_mut().for_each(Log::forget));
        let mut excess = self
            .records
            .iter()
            .filter(|record| ended(record))
            .count()
            .saturating_sub(self.retained);
        self.records.retain(|record| {
            let forget = excess > 0 && ended(record);
            excess -= usize::from(forget);
            !forget
        });
    }

    pub(super) fn take_tasks(&mut self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut self.tasks)
    }
}

impl Machine {
    /// Starts a process, once the server has a place for it, and announces what it says.
    pub(crate) async fn spawn(&self, plan: SpawnPlan) -> Result<u32, ActorError> {
        let place = self.place("spawn").await?;
        let spawn = self.vm.spawn(&plan.command, &plan.args);
        let mut spawn = spawn.timing_mitigation(plan.timing);
        for (name, value) in plan.env {
            spawn = spawn.env(name, value);
        }
        if let Some(cwd) = plan.cwd {
            spawn = spawn.cwd(cwd);
        }
        if let Some(time) = plan.cpu_time {
            spawn = spawn.cpu_time(time);
        }
        let mut process = spawn.start().await.map_err(from_sdk)?;
        let control = process.control();
        let record = Arc::new(Record {
            command: plan.command,
            args: plan.args,
            stdin: Mutex::new(process.stdin()),
            control: control.clone(),
            logs: parking_lot::Mutex::new([Log::new(self.bounds.log), Log::new(self.bounds.log)]),
            complete: AtomicBool::new(false),
            timed_out: AtomicBool::new(false),
        });
        let service = Service {
            feed: plan.stdin.map(|input| (input, plan.stream_stdin)),
            timeout: plan.timeout,
            capture: plan.capture,
            place,
        };
        let task = tokio::spawn(serve(process, Arc::clone(&record), self.emit(), service));
        self.processes.lock().add(record, task);
        Ok(control.pid())
    }

    /// The process with this id, if a client started it.
    pub(crate) fn process(&self, pid: u32) -> Result<Arc<Record>, ActorError> {
        let processes = self.processes.lock();
        let found = processes.records.iter().find(|record| record.control.pid() == pid);
        found.cloned().ok_or_else(|| process_not_found(pid))
    }

    /// The processes that clients started, oldest first.
    pub(crate) fn process_records(&self) -> Vec<Arc<Record>> {
        let mut processes = self.processes.lock();
        processes.forget();
        processes.records.iter().cloned().collect()
    }
}

/// What is done for a process while it runs.
struct Service {
    /// What it reads, and whether more may follow.
    feed: Option<(Bytes, bool)>,
    timeout: Option<Duration>,
    capture: bool,
    place: Option<Place>,
}

/// Announces output and end of a process, feeds it, and ends it when its time is over.
async fn serve(mut process: Process, record: Arc<Record>, emit: Emit, service: Service) {
    let control = process.control();
    let feeding = service.feed.map(|(input, keep_open)| {
        let record = Arc::clone(&record);
        tokio::spawn(async move {
            // A process that does not read its input is no failure.
            let _ = record.write_stdin(&input).await;
            if !keep_open {
                record.close_stdin().await;
            }
        })
    });
    let timeout = service.timeout;
    let ending = timeout.map(|timeout| tokio::spawn(end_after(Arc::clone(&record), timeout)));
    let computing = control.clone();
    let busy = |place: Place| tokio::spawn(place.while_busy(move || computing.cpu_time()));
    let holding = service.place.map(busy);
    while let Ok(Some(Output { stream, data })) = process.next_output().await {
        if service.capture {
            record.wrote(stream, &data);
            emit.room().await;
            emit.send(event(
                "processOutput",
                control.pid(),
                output(control.pid(), stream, data),
            ));
        }
    }
    // Also where both streams were closed before the end.
    let code = control.wait().await.unwrap_or_default();
    for task in [feeding, ending, holding].into_iter().flatten() {
        task.abort();
    }
    if record.timed_out.load(Ordering::Acquire) {
        // Also after a polite end: the rest of the group must not outlive the time.
        let _ = control.signal_group(Signal::Kill);
    }
    record.complete.store(true, Ordering::Release);
    emit.send(event("processExit", control.pid(), exit(&record, code)));
}

fn event(name: &str, pid: u32, payload: Value) -> Event {
    Event::new(name, vec![payload]).scope("process", pid)
}

async fn end_after(record: Arc<Record>, timeout: Duration) {
    tokio::time::sleep(timeout).await;
    let control = &record.control;
    if control.exit_code().is_some() {
        return;
    }
    record.timed_out.store(true, Ordering::Release);
    let _ = control.signal_group(Signal::Term);
    tokio::time::sleep(GRACE).await;
    let _ = control.signal_group(Signal::Kill);
}

fn output(pid: u32, stream: Stream, data: Bytes) -> Value {
    let stream = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    Value::object([
        ("pid", Value::from(pid)),
        ("stream", Value::from(stream)),
        ("data", Value::Bytes(data)),
    ])
}

fn exit(record: &Record, code: i32) -> Value {
    let control = &record.control;
    let mut payload = Object::new();
    payload.insert("pid", control.pid());
    payload.insert("exitCode", record.shown(code));
    if record.timed_out.load(Ordering::Acquire) {
        payload.insert("timedOut", true);
    }
    if let Some(signal) = control.ended_by() {
        payload.insert("signal", signal);
    }
    if let Some(limit) = control.limit() {
        payload.insert("limit", limit_value(&limit));
    }
    Value::Object(payload)
}
