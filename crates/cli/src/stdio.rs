//! Standard streams of the host attached to a process of the VM, without a terminal.

use crate::error::{Error, Exit};
use agentos::{AgentOs, Process, Signal, Stream};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};

/// Time between the polite and the final signal to a process that ran out of time (api.md section 4.2).
const GRACE: Duration = Duration::from_secs(2);

/// Runs `argv` with the streams of this process and gives its status.
pub(crate) async fn attach(vm: &AgentOs, argv: &[String], timeout: Option<Duration>) -> Result<Exit, Error> {
    let (command, args) = argv.split_first().ok_or_else(|| Error::Usage("run: no command".to_owned()))?;
    let mut process = vm.spawn(command, args).start().await?;
    let input = tokio::spawn(feed(process.stdin()));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::host("SIGINT"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::host("SIGTERM"))?;
    let control = process.control();
    let copy = copy_output(&mut process);
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
            _ = interrupt.recv() => control.signal_group(Signal::Int)?,
            _ = terminate.recv() => control.signal_group(Signal::Term)?,
        }
    };
    input.abort();
    Ok(if timed_out { Exit::TIMEOUT } else { Exit::guest(code) })
}

/// Copies output until the process has ended, then gives its exit code.
async fn copy_output(process: &mut Process) -> Result<i32, Error> {
    let (mut out, mut err) = (tokio::io::stdout(), tokio::io::stderr());
    while let Some(output) = process.next_output().await? {
        let written = match output.stream {
            Stream::Stdout => write(&mut out, &output.data).await,
            Stream::Stderr => write(&mut err, &output.data).await,
        };
        if written.is_err() {
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
