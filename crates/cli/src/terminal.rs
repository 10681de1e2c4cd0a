//! The host's terminal attached to a terminal of the VM.
//!
//! The host's side is put into raw mode, so that every key reaches the guest's line discipline, and restored whatever
//! happens. Size changes are passed on.

use crate::error::{Error, Exit};
use agentos::{AgentOs, Shell, ShellOptions};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};

/// Runs `argv` on a terminal and gives its status.
pub(crate) async fn attach(vm: &AgentOs, argv: &[String], timeout: Option<Duration>) -> Result<Exit, Error> {
    let (command, args) = argv.split_first().ok_or_else(|| Error::Usage("run: no command".to_owned()))?;
    let (cols, rows) = size();
    let options = ShellOptions::new(command).args(args).size(cols, rows);
    let shell = vm.open_shell(options).await?;
    let _raw = Raw::enter()?;
    let deadline = tokio::time::sleep(timeout.unwrap_or(Duration::MAX));
    tokio::select! {
        code = bridge(shell) => code.map(Exit::guest),
        () = deadline, if timeout.is_some() => Ok(Exit::TIMEOUT),
    }
}

/// Copies both ways until the guest ends.
async fn bridge(shell: Shell) -> Result<i32, Error> {
    let mut resized = signal(SignalKind::window_change()).map_err(Error::host("SIGWINCH"))?;
    let control = shell.control();
    let (mut from_guest, mut to_guest) = tokio::io::split(shell);
    let keys = tokio::spawn(async move {
        let mut input = tokio::io::stdin();
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = input.read(&mut chunk).await {
            if to_guest.write_all(&chunk[..n]).await.is_err() {
                break;
            }
        }
    });
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
            _ = resized.recv() => {
                let (cols, rows) = size();
                control.resize(cols, rows)?;
            }
        }
    }
    keys.abort();
    Ok(control.wait().await?)
}

fn size() -> (u16, u16) {
    match tcgetwinsize(std::io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        _ => (80, 24),
    }
}

/// Raw mode of the host's terminal, for as long as the value lives.
struct Raw {
    before: Termios,
}

impl Raw {
    fn enter() -> Result<Self, Error> {
        let failed = |error: rustix::io::Errno| Error::Host { what: "terminal", source: error.into() };
        let before = tcgetattr(std::io::stdin()).map_err(failed)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw).map_err(failed)?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before);
    }
}
