//! Running a command to its end and collecting what it says.

use crate::capture::{Capture, Tap};
use crate::error::Result;
use crate::process::{ProcessControl, Signal, Spawn, Stream, TimingMitigation};
use crate::stream;
use crate::vm::AgentOs;
use agentos_kernel::clock::Clock;
use agentos_kernel::fd::{OpenFile, PipeUse};
use agentos_kernel::{Errno, LimitExceeded};
use bytes::Bytes;
use parking_lot::Mutex;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// Time between SIGTERM and SIGKILL for a command that ran out of its time (api.md section 4.2).
const GRACE: Duration = Duration::from_secs(2);

/// Exit code of a command that ran out of its time, as `timeout(1)` has it.
const TIMED_OUT: i32 = 124;

/// A command about to run; made by [`AgentOs::exec`] or [`AgentOs::exec_argv`], run by awaiting it.
#[must_use = "nothing runs until it is awaited"]
pub struct Exec {
    spawn: Spawn,
    stdin: Bytes,
    timeout: Option<Duration>,
    /// Behind a lock that nobody waits for, so that a command about to run can be shared like everything else.
    tap: Option<Mutex<Tap>>,
}

impl std::fmt::Debug for Exec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exec")
            .field("spawn", &self.spawn)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// What a command left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecOutput {
    /// Exit code; 128 + n after signal n, 124 after a timeout.
    pub exit_code: i32,
    /// Captured standard output.
    pub stdout: Bytes,
    /// Captured standard error.
    pub stderr: Bytes,
    /// Whether the command was stopped because its time was over.
    pub timed_out: bool,
    /// Whether output beyond `limits.process.maxCapturedOutputBytes` was thrown away.
    pub stdout_truncated: bool,
    /// The same for standard error.
    pub stderr_truncated: bool,
    /// The limit for which the command was killed, if it was.
    pub limit: Option<LimitExceeded>,
}

impl ExecOutput {
    /// Standard output as text; bytes that are not UTF-8 become replacement characters.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl AgentOs {
    /// Runs `sh -c <command>` in the VM.
    ///
    /// ```no_run
    /// # async fn example(vm: agentos::AgentOs) -> Result<(), agentos::Error> {
    /// let output = vm.exec("wc -w").stdin("three little words").await?;
    /// assert_eq!(output.stdout_text().trim(), "3");
    /// # Ok(()) }
    /// ```
    pub fn exec(&self, command: impl AsRef<str>) -> Exec {
        Exec::new(self.spawn("sh", ["-c", command.as_ref()]))
    }

    /// Runs a program with arguments, without a shell.
    pub fn exec_argv<A: AsRef<str>>(&self, argv: impl IntoIterator<Item = A>) -> Exec {
        let mut argv = argv.into_iter();
        let command = argv.next();
        Exec::new(self.spawn(command.as_ref().map_or("", AsRef::as_ref), argv))
    }
}

impl Exec {
    fn new(spawn: Spawn) -> Self {
        Self {
            spawn,
            stdin: Bytes::new(),
            timeout: None,
            tap: None,
        }
    }

    /// Sets a variable for this command.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.spawn = self.spawn.env(name, value);
        self
    }

    /// Starts in this directory.
    pub fn cwd(mut self, path: impl Into<String>) -> Self {
        self.spawn = self.spawn.cwd(path);
        self
    }

    /// Ends the command once it has computed for this long; see [`Spawn::cpu_time`].
    pub fn cpu_time(mut self, time: Duration) -> Self {
        self.spawn = self.spawn.cpu_time(time);
        self
    }

    /// What the command may learn from its clocks about the time that it takes; see [`TimingMitigation`].
    pub fn timing_mitigation(mut self, mitigation: TimingMitigation) -> Self {
        self.spawn = self.spawn.timing_mitigation(mitigation);
        self
    }

    /// What the command reads from standard input, which is `/dev/null` unless set.
    pub fn stdin(mut self, input: impl Into<Bytes>) -> Self {
        self.stdin = input.into();
        self
    }

    /// Stops the command after this time: SIGTERM to its process group, SIGKILL two seconds later.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Shows each piece of output as it is read, also what goes beyond the captured bytes. `callback` is called where the
    /// command is awaited, and must return soon.
    pub fn on_output(mut self, callback: impl FnMut(Stream, Bytes) + Send + 'static) -> Self {
        self.tap = Some(Mutex::new(Box::new(callback)));
        self
    }

    async fn run(self) -> Result<ExecOutput> {
        let vm = self.spawn.vm.clone();
        let (limit, _) = vm.options.limits.captured_output();
        let (stdin_read, stdin) = if self.stdin.is_empty() {
            (None, None)
        } else {
            let (read, write) = vm.pipe(PipeUse::Input, "exec")?;
            (Some(read), Some((write, self.stdin)))
        };
        let (stdout, stdout_write) = vm.pipe(PipeUse::Output, "exec")?;
        let (stderr, stderr_write) = vm.pipe(PipeUse::Output, "exec")?;
        let process = self
            .spawn
            .start_with([stdin_read, Some(stdout_write), Some(stderr_write)])
            .await?;
        let running = Running {
            control: ProcessControl {
                vm: vm.clone(),
                process,
            },
            stdin,
            stdout: Capture::new(Stream::Stdout, stdout, limit),
            stderr: Capture::new(Stream::Stderr, stderr, limit),
            tap: self.tap.map(Mutex::into_inner),
        };
        running.finish(self.timeout).await
    }
}

impl IntoFuture for Exec {
    type Output = Result<ExecOutput>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// A command that runs. Dropping it before its end kills the process group.
struct Running {
    control: ProcessControl,
    stdin: Option<(Arc<OpenFile>, Bytes)>,
    stdout: Capture,
    stderr: Capture,
    tap: Option<Tap>,
}

impl Running {
    async fn finish(mut self, timeout: Option<Duration>) -> Result<ExecOutput> {
        let mut timed_out = false;
        let clock = self.control.vm.kernel.clock().clone();
        if let Some(timeout) = timeout {
            if within(&*clock, timeout, self.pump()).await.is_none() {
                timed_out = true;
                self.control.signal_group(Signal::Term)?;
                let grace = within(&*clock, GRACE, self.pump()).await;
                // Also after a polite end: the rest of the group must not outlive the command's time.
                self.control.signal_group(Signal::Kill)?;
                if grace.is_none() {
                    self.pump().await;
                }
            }
        } else {
            self.pump().await;
        }
        let status = stream::exit(&self.control.process).await;
        let (stdout, stdout_seen) = self.stdout.finish();
        let (stderr, stderr_seen) = self.stderr.finish();
        let [stdout_truncated, stderr_truncated] = [stdout_seen, stderr_seen].map(|seen| self.is_truncated(seen));
        Ok(ExecOutput {
            exit_code: if timed_out { TIMED_OUT } else { i32::from(status.code()) },
            stdout: stdout.into(),
            stderr: stderr.into(),
            timed_out,
            stdout_truncated,
            stderr_truncated,
            limit: self.control.process.limit().cloned(),
        })
    }

    /// Whether a stream of which `seen` bytes came was cut; the operator hears of it.
    fn is_truncated(&self, seen: u64) -> bool {
        let vm = &self.control.vm;
        let (cap, path) = vm.options.limits.captured_output();
        if seen > cap {
            let breach = LimitExceeded::new(path, "bytes", seen, cap, "exec", Errno::EMSGSIZE);
            vm.kernel
                .audit()
                .limit_exceeded(&breach, Some(self.control.process.pid()));
        }
        seen > cap
    }

    /// Moves bytes until the process has ended and everything that it wrote was read.
    async fn pump(&mut self) {
        poll_fn(|cx| self.poll(cx.waker())).await;
    }

    fn poll(&mut self, waker: &Waker) -> Poll<()> {
        self.poll_stdin(waker);
        // Asked before reading: what an ended process wrote is in the pipes by then. A background child that holds the
        // pipes open does not delay the result.
        let ended = self.control.process.poll_exit(waker).is_ready();
        let _ = self.stdout.poll(waker, &mut self.tap);
        let _ = self.stderr.poll(waker, &mut self.tap);
        if ended { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_stdin(&mut self, waker: &Waker) {
        while let Some((file, rest)) = &mut self.stdin {
            match file.write(rest, Some(waker)) {
                Poll::Pending => return,
                // A command that does not read its input is no failure.
                Poll::Ready(Err(_)) => self.stdin = None,
                Poll::Ready(Ok(n)) => {
                    *rest = rest.slice(n.min(rest.len())..);
                    if rest.is_empty() {
                        self.stdin = None;
                    }
                }
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.control.status().is_none() {
            // The VM may be gone already, and the processes with it.
            let _ = self.control.signal_group(Signal::Kill);
        }
    }
}

/// Runs `work` for at most `time`, on the VM's own clock, so that any async runtime will do.
pub(crate) async fn within<T>(clock: &dyn Clock, time: Duration, work: impl Future<Output = T>) -> Option<T> {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let deadline = clock.instant().after(nanos);
    let mut work = std::pin::pin!(work);
    poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        if clock.instant() >= deadline {
            return Poll::Ready(None);
        }
        // At every poll: the clock may wake early and then expects to be told again.
        clock.wake_at(deadline, cx.waker());
        Poll::Pending
    })
    .await
}
