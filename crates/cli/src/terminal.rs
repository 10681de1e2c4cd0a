//! The host's terminal attached to a terminal of the VM.
//!
//! The host's side is put into raw mode, so that every key reaches the guest's line discipline, and restored whatever
//! happens: at the guest's end, after an error, at a panic, and when a signal ends this program. Size changes are passed
//! on.

use crate::error::{Error, Exit};
use crate::signals::{Ending, GRACE};
use agentos::{AgentOs, Shell, ShellControl, ShellOptions, Signal};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::signal::unix::{SignalKind, signal};

/// Runs `argv` on a terminal and gives its status.
pub(crate) async fn attach(vm: &AgentOs, argv: &[String], timeout: Option<Duration>) -> Result<Exit, Error> {
    let (command, args) = argv
        .split_first()
        .ok_or_else(|| Error::Usage("run: no command".to_owned()))?;
    let (cols, rows) = size();
    let mut options = ShellOptions::new(command).args(args).size(cols, rows);
    if let Some(kind) = std::env::var("TERM").ok().filter(|kind| !kind.is_empty()) {
        options = options.env("TERM", kind);
    }
    let shell = vm.open_shell(options).await?;
    let raw = Raw::enter()?;
    let control = shell.control();
    let (from_guest, to_guest) = tokio::io::split(shell);
    let keys = tokio::spawn(type_keys(to_guest));
    let exit = bridge(from_guest, &control, &raw, timeout).await;
    keys.abort();
    exit
}

/// Copies what the guest prints until it ends, it ran out of its time, or this program has to end.
async fn bridge(
    mut from_guest: ReadHalf<Shell>,
    control: &ShellControl,
    raw: &Raw,
    timeout: Option<Duration>,
) -> Result<Exit, Error> {
    let mut resized = signal(SignalKind::window_change()).map_err(Error::host("SIGWINCH"))?;
    let mut continued = signal(SignalKind::from_raw(SIGCONT)).map_err(Error::host("SIGCONT"))?;
    let mut ending = Ending::watch()?;
    let deadline = tokio::time::sleep(timeout.unwrap_or(Duration::MAX));
    tokio::pin!(deadline);
    let mut timed_out = false;
    let mut out = tokio::io::stdout();
    let mut chunk = vec![0; 64 << 10];
    loop {
        tokio::select! {
            read = from_guest.read(&mut chunk) => match read {
                Ok(0) | Err(_) => break,
                Ok(n) => {
                    out.write_all(&chunk[..n]).await.map_err(Error::host("terminal"))?;
                    out.flush().await.map_err(Error::host("terminal"))?;
                }
            },
            _ = resized.recv() => resize(control)?,
            // A shell that stopped this program had the terminal meanwhile.
            _ = continued.recv() => {
                raw.again()?;
                resize(control)?;
            }
            number = ending.next() => {
                // What runs in the VM ends with it, when this program returns.
                control.signal_group(Signal::Hup)?;
                return Ok(Exit::signal(number));
            }
            () = &mut deadline, if timeout.is_some() => {
                // The second expiry ends the grace period.
                control.signal_group(if timed_out { Signal::Kill } else { Signal::Term })?;
                timed_out = true;
                deadline.as_mut().reset(tokio::time::Instant::now() + GRACE);
            }
        }
    }
    let code = control.wait().await?;
    Ok(if timed_out { Exit::TIMEOUT } else { Exit::guest(code) })
}

/// Copies keys until either side ends.
async fn type_keys(mut to_guest: WriteHalf<Shell>) {
    let mut input = tokio::io::stdin();
    let mut chunk = [0; 4096];
    while let Ok(n @ 1..) = input.read(&mut chunk).await {
        if to_guest.write_all(&chunk[..n]).await.is_err() {
            break;
        }
    }
}

/// Number of SIGCONT, for which there is no name in the async runtime.
const SIGCONT: i32 = rustix::process::Signal::CONT.as_raw();

fn resize(control: &ShellControl) -> Result<(), Error> {
    let (cols, rows) = size();
    Ok(control.resize(cols, rows)?)
}

/// Columns and rows of the host's terminal; what it does not say, or says beyond reason, is 80 by 24.
fn size() -> (u16, u16) {
    match tcgetwinsize(std::io::stdout()) {
        Ok(size) if (1..=4096).contains(&size.ws_col) && (1..=4096).contains(&size.ws_row) => {
            (size.ws_col, size.ws_row)
        }
        _ => (80, 24),
    }
}

/// Raw mode of the host's terminal, for as long as the value lives.
struct Raw {
    before: Termios,
}

impl Raw {
    fn enter() -> Result<Self, Error> {
        let mode = Self {
            before: tcgetattr(std::io::stdin()).map_err(failed)?,
        };
        mode.again()?;
        Ok(mode)
    }

    fn again(&self) -> Result<(), Error> {
        let mut raw = self.before.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw).map_err(failed)
    }
}

fn failed(error: rustix::io::Errno) -> Error {
    Error::Host {
        what: "terminal",
        source: error.into(),
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before);
    }
}
