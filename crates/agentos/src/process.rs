//! Processes that the host starts in a VM.

use crate::error::{Error, Result};
use crate::stream;
use crate::vm::{AgentOs, Vm};
use agentos_kernel::fd::{OpenFile, PipeUse};
use agentos_kernel::id::{Fd, Pid};
use agentos_kernel::process::{
    ExitStatus, FileAction, Process as KernelProcess, Resource, ResourceLimit, Signal as KernelSignal, SpawnRequest,
};
use agentos_kernel::{Errno, LimitExceeded};
use bytes::Bytes;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A signal that a host sends, by its POSIX name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// SIGHUP.
    Hup,
    /// SIGINT.
    Int,
    /// SIGQUIT.
    Quit,
    /// SIGKILL.
    Kill,
    /// SIGUSR1.
    Usr1,
    /// SIGUSR2.
    Usr2,
    /// SIGTERM.
    Term,
    /// SIGCONT.
    Cont,
    /// SIGSTOP.
    Stop,
    /// SIGTSTP.
    Tstp,
    /// SIGWINCH.
    Winch,
    /// Any other, by its number; made by [`Signal::named`].
    Other(u8),
}

impl Signal {
    /// The signal with this POSIX name, with or without `SIG`: `SIGTERM`, `TERM`.
    pub fn named(name: &str) -> Option<Self> {
        let bare = name.strip_prefix("SIG").unwrap_or(name);
        let known = (1..KernelSignal::RT_MIN).filter_map(KernelSignal::new);
        let signal = known.into_iter().find(|signal| signal.name() == bare)?;
        Some(Self::Other(u8::try_from(signal.number()).ok()?))
    }

    pub(crate) fn kernel(self) -> KernelSignal {
        match self {
            Self::Hup => KernelSignal::HUP,
            Self::Int => KernelSignal::INT,
            Self::Quit => KernelSignal::QUIT,
            Self::Kill => KernelSignal::KILL,
            Self::Usr1 => KernelSignal::USR1,
            Self::Usr2 => KernelSignal::USR2,
            Self::Term => KernelSignal::TERM,
            Self::Cont => KernelSignal::CONT,
            Self::Stop => KernelSignal::STOP,
            Self::Tstp => KernelSignal::TSTP,
            Self::Winch => KernelSignal::WINCH,
            // A number that is no signal can do no harm as one that nobody acts on.
            Self::Other(number) => KernelSignal::new(u32::from(number)).unwrap_or(KernelSignal::WINCH),
        }
    }
}

/// Which output stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Where it was written.
    pub stream: Stream,
    /// What was written.
    pub data: Bytes,
}

/// Whether a process can measure how long it computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TimingMitigation {
    /// It can: its clocks run.
    #[default]
    Off,
    /// It cannot: its clocks stand still while it computes and run while it waits, so that they fall behind by the time that it
    /// has computed. Its CPU times are 0. What it starts is treated alike. `docs/actions.md` says what remains.
    Freeze,
}

/// A process about to be started; made by [`AgentOs::spawn`].
#[derive(Debug)]
pub struct Spawn {
    pub(crate) vm: Arc<Vm>,
    pub(crate) argv: Vec<Vec<u8>>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: Option<String>,
    pub(crate) no_input: bool,
    pub(crate) cpu_time: Option<Duration>,
    pub(crate) timing: TimingMitigation,
}

impl AgentOs {
    /// Prepares to start a program, without a shell; a name without `/` is looked up in `PATH`.
    pub fn spawn<A: AsRef<str>>(&self, command: impl AsRef<str>, args: impl IntoIterator<Item = A>) -> Spawn {
        let mut argv = vec![command.as_ref().as_bytes().to_vec()];
        argv.extend(args.into_iter().map(|arg| arg.as_ref().as_bytes().to_vec()));
        Spawn {
            vm: self.vm.clone(),
            argv,
            env: Vec::new(),
            cwd: None,
            no_input: false,
            cpu_time: None,
            timing: TimingMitigation::Off,
        }
    }
}

impl Spawn {
    /// Sets a variable for this process.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Starts in this directory.
    #[must_use]
    pub fn cwd(mut self, path: impl Into<String>) -> Self {
        self.cwd = Some(path.into());
        self
    }

    /// Gives the process `/dev/null` as standard input instead of a pipe. Some programs look: `rg` without a path searches
    /// the working directory, but what comes through a pipe.
    #[must_use]
    pub fn no_input(mut self) -> Self {
        self.no_input = true;
        self
    }

    /// Ends the process once it has computed for this long, in whole seconds upwards: SIGXCPU, a second later SIGKILL.
    #[must_use]
    pub fn cpu_time(mut self, time: Duration) -> Self {
        self.cpu_time = Some(time);
        self
    }

    /// What the process may learn from its clocks about the time that it takes; its descendants the same.
    #[must_use]
    pub fn timing_mitigation(mut self, mitigation: TimingMitigation) -> Self {
        self.timing = mitigation;
        self
    }

    /// Starts the process with three pipes, as the leader of a process group of its own. `command not found` and limits are
    /// reported here, before anything runs.
    pub async fn start(self) -> Result<Process> {
        let (stdin_read, stdin) = match self.no_input {
            true => (None, None),
            false => self
                .vm
                .pipe(PipeUse::Input, "spawn")
                .map(|(read, write)| (Some(read), Some(write)))?,
        };
        let (stdout, stdout_write) = self.vm.pipe(PipeUse::Output, "spawn")?;
        let (stderr, stderr_write) = self.vm.pipe(PipeUse::Output, "spawn")?;
        let streams = [stdin_read, Some(stdout_write), Some(stderr_write)];
        let process = self.start_with(streams).await?;
        let control = ProcessControl { vm: self.vm, process };
        Ok(Process {
            stdin: Some(StdinWriter { file: stdin }),
            stdout: Some(stdout),
            stderr: Some(stderr),
            control,
        })
    }

    /// Starts the process with the given standard descriptors, and `/dev/null` where there is none.
    pub(crate) async fn start_with(&self, streams: [Option<Arc<OpenFile>>; 3]) -> Result<Arc<KernelProcess>> {
        let null = || self.vm.kernel.open_null().map_err(Error::os("spawn"));
        let actions = (0u32..).zip(streams).map(|(fd, file)| {
            let file = file.map_or_else(null, Ok)?;
            Ok(FileAction::Inherit(Fd(fd), file))
        });
        let request = SpawnRequest {
            actions: actions.collect::<Result<_>>()?,
            pgroup: Some(Pid(0)),
            ..self.request()?
        };
        let process = self.vm.start(request).await?;
        if let Some(time) = self.cpu_time {
            let soft = time.as_secs() + u64::from(time.subsec_nanos() > 0);
            let limit = ResourceLimit {
                soft,
                hard: soft.saturating_add(1),
            };
            process
                .set_resource_limit(Resource::Cpu, limit)
                .map_err(Error::os("spawn"))?;
        }
        Ok(process)
    }

    /// The request without descriptors and group.
    pub(crate) fn request(&self) -> Result<SpawnRequest> {
        let cwd = self.cwd.as_deref().unwrap_or(&self.vm.options.cwd);
        crate::path::check(cwd)?;
        if self.argv.iter().any(|arg| arg.contains(&0)) {
            let reason = "an argument holds a NUL byte, which no program can receive".to_owned();
            return Err(Error::InvalidOption { option: "args", reason });
        }
        Ok(SpawnRequest {
            path: self.argv.first().cloned().unwrap_or_default(),
            argv: self.argv.clone(),
            env: self.vm.environment(&self.env)?,
            search_path: true,
            cwd: Some(cwd.as_bytes().to_vec()),
            credentials: Some(agentos_kernel::cred::Credentials::user()),
            freeze_clocks: self.timing == TimingMitigation::Freeze,
            ..SpawnRequest::default()
        })
    }
}

/// A running or ended process with its streams. Dropping it closes the streams and leaves the process running.
#[derive(Debug)]
pub struct Process {
    control: ProcessControl,
    stdin: Option<StdinWriter>,
    stdout: Option<Arc<OpenFile>>,
    stderr: Option<Arc<OpenFile>>,
}

impl Process {
    /// Process id in the VM.
    pub fn pid(&self) -> u32 {
        self.control.pid()
    }

    /// Takes the writing end of standard input; a second call gives a writer that is closed.
    pub fn stdin(&mut self) -> StdinWriter {
        self.stdin.take().unwrap_or(StdinWriter { file: None })
    }

    /// A handle for signals and waiting that can be used while output is being read.
    pub fn control(&self) -> ProcessControl {
        self.control.clone()
    }

    /// The next piece of output; `None` when both streams ended, or when the process has ended and all that it wrote was
    /// delivered (a background child that still holds the streams does not delay that).
    pub async fn next_output(&mut self) -> Result<Option<Output>> {
        poll_fn(|cx| self.poll_output(cx.waker())).await
    }

    /// Waits until the process wrote something, and gives that; fails if it ends in silence.
    pub async fn first_output(&mut self) -> Result<Output> {
        self.next_output().await?.ok_or(Error::Os {
            errno: Errno::EPIPE,
            operation: "read",
        })
    }

    /// The output as a stream, which ends as [`next_output`](Self::next_output) does.
    pub fn output(&mut self) -> OutputStream<'_> {
        OutputStream { process: self }
    }

    fn poll_output(&mut self, waker: &Waker) -> Poll<Result<Option<Output>>> {
        // Asked before reading: what an ended process wrote is in the pipes by then.
        let ended = self.control.process.poll_exit(waker).is_ready();
        for stream in [Stream::Stdout, Stream::Stderr] {
            if let Poll::Ready(Some(data)) = self.poll_stream(stream, waker) {
                return Poll::Ready(Ok(Some(Output { stream, data })));
            }
        }
        if ended || (self.stdout.is_none() && self.stderr.is_none()) {
            Poll::Ready(Ok(None))
        } else {
            Poll::Pending
        }
    }

    fn poll_stream(&mut self, stream: Stream, waker: &Waker) -> Poll<Option<Bytes>> {
        let slot = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        poll_pipe(slot, waker, 64 << 10)
    }

    /// Stops reading a stream: the process gets SIGPIPE when it writes there.
    pub fn close_output(&mut self, stream: Stream) {
        match stream {
            Stream::Stdout => self.stdout = None,
            Stream::Stderr => self.stderr = None,
        }
    }

    /// Waits for the end and gives the exit code, 128 + n after signal n. A process that waits for input gets its end:
    /// standard input is closed unless it was taken.
    pub async fn wait(&mut self) -> Result<i32> {
        self.stdin = None;
        self.control.wait().await
    }

    /// Sends a signal. Success if the process has already ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.control.signal(signal)
    }
}

/// CPU time in ns of a process and of the children that it has waited for.
fn used(process: &KernelProcess) -> u64 {
    let (own, of_children) = (process.usage(), process.times());
    [own.sys_ns, of_children.children_user, of_children.children_sys]
        .iter()
        .fold(own.user_ns, |sum, ns| sum.saturating_add(*ns))
}

/// Reads what is there, at most `most` bytes; the end empties the slot.
pub(crate) fn poll_pipe(slot: &mut Option<Arc<OpenFile>>, waker: &Waker, most: usize) -> Poll<Option<Bytes>> {
    let Some(file) = slot else { return Poll::Ready(None) };
    let available = file.available().unwrap_or(0).clamp(4096, 64 << 10);
    let mut chunk = vec![0; usize::try_from(available).unwrap_or(4096).min(most.max(1))];
    match file.read(&mut chunk, Some(waker)) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Ok(0) | Err(_)) => {
            *slot = None;
            Poll::Ready(None)
        }
        Poll::Ready(Ok(n)) => {
            chunk.truncate(n);
            Poll::Ready(Some(chunk.into()))
        }
    }
}

/// Output of a process piece by piece; made by [`Process::output`].
#[derive(Debug)]
pub struct OutputStream<'a> {
    process: &'a mut Process,
}

impl futures_core::Stream for OutputStream<'_> {
    type Item = Result<Output>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.process.poll_output(cx.waker()).map(Result::transpose)
    }
}

/// Signals to a process and its end; cheap to clone.
#[derive(Debug, Clone)]
pub struct ProcessControl {
    pub(crate) vm: Arc<Vm>,
    pub(crate) process: Arc<KernelProcess>,
}

impl ProcessControl {
    /// Process id in the VM.
    pub fn pid(&self) -> u32 {
        self.process.pid().0
    }

    /// Waits for the end and gives the exit code, 128 + n after signal n.
    pub async fn wait(&self) -> Result<i32> {
        Ok(i32::from(stream::exit(&self.process).await.code()))
    }

    /// Sends a signal to the process. Success if it has already ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if self.status().is_some() {
            // Its number may belong to somebody else by now.
            return Ok(());
        }
        self.vm.signal(i64::from(self.pid()), signal.kernel())
    }

    /// Sends a signal to the process's group, which holds its descendants unless they left it.
    pub fn signal_group(&self, signal: Signal) -> Result<()> {
        self.vm.signal(-i64::from(self.pid()), signal.kernel())
    }

    /// CPU time that it has used so far, its descendants included: those that run, and those whose end was waited for.
    pub fn cpu_time(&self) -> Duration {
        let all = self.vm.kernel.processes();
        let mut family = vec![self.process.pid()];
        let mut ns = used(&self.process);
        // Each process has one parent, so each is met once.
        let mut at = 0;
        while let Some(parent) = family.get(at).copied() {
            at += 1;
            for child in all.iter().filter(|process| process.ppid() == parent) {
                ns = ns.saturating_add(used(child));
                family.push(child.pid());
            }
        }
        Duration::from_nanos(ns)
    }

    /// The limit for which it was killed, if it was.
    pub fn limit(&self) -> Option<LimitExceeded> {
        self.process.limit().cloned()
    }

    /// The name of the signal that ended it, for example `SIGKILL`, if one did.
    pub fn ended_by(&self) -> Option<String> {
        let signal = self.status()?.signal()?;
        Some(format!("SIG{}", signal.name()))
    }

    /// The exit code, 128 + n after signal n, if it has ended.
    pub fn exit_code(&self) -> Option<i32> {
        self.status().map(|status| i32::from(status.code()))
    }

    /// How it ended, if it has.
    pub(crate) fn status(&self) -> Option<ExitStatus> {
        self.process.exit_status()
    }
}

/// The writing end of a process's standard input.
#[derive(Debug)]
pub struct StdinWriter {
    pub(crate) file: Option<Arc<OpenFile>>,
}

impl StdinWriter {
    /// Writes everything; waits while the pipe is full. `EPIPE` after the process ended or closed its input.
    pub async fn write_all(&mut self, data: impl AsRef<[u8]>) -> Result<()> {
        let file = self.file.as_ref().ok_or(Error::Os {
            errno: Errno::EPIPE,
            operation: "writeProcessStdin",
        })?;
        stream::write_all(file, data.as_ref())
            .await
            .map_err(Error::os("writeProcessStdin"))
    }

    /// Closes it: the process reads the end of its input.
    pub fn close(&mut self) {
        self.file = None;
    }
}
