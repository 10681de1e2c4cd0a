//! Standard streams of the host attached to a process of the VM, without a terminal.

use crate::error::{Error, Exit};
use crate::signals::{Ending, GRACE};
use agentos::{AgentOs, Output, Process, Signal, Stream};
use std::io::IsTerminal;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Stderr, Stdout};
use tokio::signal::unix::SignalKind;

/// Where the output of the process goes.
pub(crate) enum Sink {
    /// To the streams of this program.
    Streams(Stdout, Stderr),
    /// Into memory, each stream up to a limit.
    Memory(Captured, Captured),
}

/// What was kept of one stream.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) bytes: Vec<u8>,
    pub(crate) truncated: bool,
    limit: usize,
}

/// How the process ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) timed_out: bool,
}

impl Ended {
    /// What this program exits with.
    pub(crate) fn exit(self) -> Exit {
        if self.timed_out {
            Exit::TIMEOUT
        } else {
            Exit::guest(self.code)
        }
    }
}

impl Sink {
    /// The streams of this program.
    pub(crate) fn streams() -> Self {
        Self::Streams(tokio::io::stdout(), tokio::io::stderr())
    }

    /// Memory, at most `limit` bytes per stream.
    pub(crate) fn memory(limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let empty = || Captured {
            bytes: Vec::new(),
            truncated: false,
            limit,
        };
        Self::Memory(empty(), empty())
    }

    async fn take(&mut self, output: &Output) -> std::io::Result<()> {
        match (self, output.stream) {
            (Self::Streams(out, _), Stream::Stdout) => write(out, &output.data).await,
            (Self::Streams(_, err), Stream::Stderr) => write(err, &output.data).await,
            (Self::Memory(out, _), Stream::Stdout) => out.take(&output.data),
            (Self::Memory(_, err), Stream::Stderr) => err.take(&output.data),
        }
    }
}

impl Captured {
    #[allow(clippy::unnecessary_wraps)]
    fn take(&mut self, data: &[u8]) -> std::io::Result<()> {
        let room = self.limit.saturating_sub(self.bytes.len());
        self.truncated |= data.len() > room;
        self.bytes.extend_from_slice(&data[..data.len().min(room)]);
        Ok(())
    }
}

/// Runs `argv` with the standard input of this program and tells how it ended.
pub(crate) async fn attach(
    vm: &AgentOs,
    argv: &[String],
    timeout: Option<Duration>,
    sink: &mut Sink,
) -> Result<Ended, Error> {
    let (command, args) = argv
        .split_first()
        .ok_or_else(|| Error::Usage("run: no command".to_owned()))?;
    let mut spawn = vm.spawn(command, args);
    if nothing_to_read() {
        spawn = spawn.no_input();
    }
    let mut process = spawn.start().await?;
    let input = tokio::spawn(feed(process.stdin()));
    let mut ending = Ending::watch()?;
    let control = process.control();
    let copy = copy_output(&mut process, sink);
    tokio::pin!(copy);
    let deadline = tokio::time::sleep(timeout.unwrap_or(Duration::MAX));
    tokio::pin!(deadline);
    let mut timed_out = false;
    let code = loop {
        tokio::select! {
            done = &mut copy => break done?,
            () = &mut deadline, if timeout.is_some() => {
                // The second expiry ends the grace period.
                control.signal_group(if timed_out { Signal::Kill } else { Signal::Term })?;
                timed_out = true;
                deadline.as_mut().reset(tokio::time::Instant::now() + GRACE);
            }
            number = ending.next() => control.signal_group(forwarded(number))?,
        }
    };
    input.abort();
    Ok(Ended { code, timed_out })
}

/// Whether standard input is closed or a device such as `/dev/null`, so that the guest's should be one, too.
fn nothing_to_read() -> bool {
    use rustix::fs::{FileType, fstat};
    let device = |mode| FileType::from_raw_mode(mode) == FileType::CharacterDevice;
    !std::io::stdin().is_terminal() && fstat(std::io::stdin()).map_or(true, |stat| device(stat.st_mode))
}

/// The guest's signal for one that this program got.
fn forwarded(number: i32) -> Signal {
    match SignalKind::from_raw(number) {
        kind if kind == SignalKind::interrupt() => Signal::Int,
        kind if kind == SignalKind::quit() => Signal::Quit,
        kind if kind == SignalKind::hangup() => Signal::Hup,
        _ => Signal::Term,
    }
}

/// Copies output until the process has ended, then gives its exit code.
async fn copy_output(process: &mut Process, sink: &mut Sink) -> Result<i32, Error> {
    while let Some(output) = process.next_output().await? {
        if sink.take(&output).await.is_err() {
            // Nobody reads any more: the guest learns it the way a process does.
            process.close_output(output.stream);
        }
    }
    Ok(process.wait().await?)
}

async fn write(to: &mut (impl AsyncWriteExt + Unpin), data: &[u8]) -> std::io::Result<()> {
    to.write_all(data).await?;
    to.flush().await
}

/// Copies standard input until either side ends.
async fn feed(mut stdin: agentos::StdinWriter) {
    let mut input = tokio::io::stdin();
    let mut chunk = vec![0; 64 << 10];
    loop {
        match input.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(n) => {
                if stdin.write_all(&chunk[..n]).await.is_err() {
                    break;
                }
            }
        }
    }
    stdin.close();
}
