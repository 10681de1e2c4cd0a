//! Terminals that clients opened.

use super::{Emit, HANGUP_GRACE, Machine};
use crate::errors::{from_sdk, shell_not_found};
use crate::executions::Place;
use agentos::{Shell, ShellControl, ShellOptions, Signal};
use agentos_actor::Event;
use agentos_value::{ActorError, Value};
use bytes::BytesMut;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::AsyncReadExt;
use tokio::task::JoinHandle;

/// Most of a terminal's output in one event; what a terminal holds.
const CHUNK: usize = 64 << 10;

/// An open terminal.
#[derive(Debug)]
pub(crate) struct ShellEntry {
    pub(crate) id: String,
    pub(crate) control: ShellControl,
    command: String,
    size: AtomicU32,
    /// Keeps what several clients type in whole pieces.
    typing: tokio::sync::Mutex<()>,
}

/// The terminals of a VM.
#[derive(Debug, Default)]
pub(super) struct Shells {
    opened: u64,
    running: Vec<Arc<ShellEntry>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Shells {
    pub(super) fn running(&self) -> Vec<Arc<ShellEntry>> {
        self.running.clone()
    }

    pub(super) fn take_tasks(&mut self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut self.tasks)
    }
}

impl ShellEntry {
    /// Process id of its program.
    pub(crate) fn pid(&self) -> u32 {
        self.control.pid()
    }

    /// `{shellId, pid, command, cols, rows, running, exitCode}`.
    pub(crate) fn to_value(&self) -> Value {
        let size = self.size.load(Ordering::Relaxed);
        let exit_code = self.control.exit_code();
        Value::object([
            ("shellId", Value::from(self.id.as_str())),
            ("pid", Value::from(self.pid())),
            ("command", Value::from(self.command.as_str())),
            ("cols", Value::from(size >> 16)),
            ("rows", Value::from(size & 0xffff)),
            ("running", Value::Bool(exit_code.is_none())),
            ("exitCode", Value::from(exit_code)),
        ])
    }

    /// Types.
    pub(crate) async fn write(&self, data: &[u8]) -> Result<(), ActorError> {
        let _turn = self.typing.lock().await;
        self.control.write_all(data).await.map_err(from_sdk)
    }

    /// Changes the size.
    pub(crate) fn resize(&self, cols: u16, rows: u16) -> Result<(), ActorError> {
        self.control.resize(cols, rows).map_err(from_sdk)?;
        self.size.store(packed(cols, rows), Ordering::Relaxed);
        Ok(())
    }
}

fn packed(cols: u16, rows: u16) -> u32 {
    u32::from(cols) << 16 | u32::from(rows)
}

impl Machine {
    /// Opens a terminal, once the server has a place for it, and announces what it shows.
    pub(crate) async fn open_shell(
        self: &Arc<Self>,
        command: String,
        options: ShellOptions,
        (cols, rows): (u16, u16),
    ) -> Result<String, ActorError> {
        let place = self.place("openShell").await?;
        let shell = self.vm.open_shell(options).await.map_err(from_sdk)?;
        let mut shells = self.shells.lock();
        shells.opened += 1;
        let id = format!("shell-{}", shells.opened);
        let entry = Arc::new(ShellEntry {
            id: id.clone(),
            control: shell.control(),
            command,
            size: AtomicU32::new(packed(cols, rows)),
            typing: tokio::sync::Mutex::default(),
        });
        shells.running.push(Arc::clone(&entry));
        shells.tasks.retain(|task| !task.is_finished());
        let release = {
            let machine = Arc::downgrade(self);
            let id = id.clone();
            move || {
                if let Some(machine) = machine.upgrade() {
                    machine.shells.lock().running.retain(|shell| shell.id != id);
                }
            }
        };
        shells
            .tasks
            .push(tokio::spawn(serve(shell, entry, self.emit(), place, release)));
        Ok(id)
    }

    /// The open terminal with this id.
    pub(crate) fn shell(&self, id: &str) -> Result<Arc<ShellEntry>, ActorError> {
        let shells = self.shells.lock();
        let found = shells.running.iter().find(|shell| shell.id == id);
        found.cloned().ok_or_else(|| shell_not_found(id))
    }

    /// The open terminals, oldest first.
    pub(crate) fn shells(&self) -> Vec<Arc<ShellEntry>> {
        self.shells.lock().running()
    }

    /// Hangs a terminal up, and kills its program if that does not end it. One that has ended already is no error.
    pub(crate) async fn close_shell(&self, id: &str) -> Result<(), ActorError> {
        let shell = match self.shell(id) {
            Ok(shell) => shell,
            Err(_) if self.was_opened(id) => return Ok(()),
            Err(error) => return Err(error),
        };
        // A program that ended meanwhile needs no signal.
        let _ = shell.control.signal_group(Signal::Hup);
        if tokio::time::timeout(HANGUP_GRACE, shell.control.wait()).await.is_err() {
            let _ = shell.control.signal_group(Signal::Kill);
            shell.control.wait().await.map_err(from_sdk)?;
        }
        Ok(())
    }

    fn was_opened(&self, id: &str) -> bool {
        let number = id.strip_prefix("shell-").and_then(|number| number.parse::<u64>().ok());
        number.is_some_and(|number| (1..=self.shells.lock().opened).contains(&number))
    }
}

/// Announces output and end of a terminal.
async fn serve(mut shell: Shell, entry: Arc<ShellEntry>, emit: Emit, place: Option<Place>, release: impl FnOnce()) {
    let computing = Arc::clone(&entry);
    let busy = |place: Place| tokio::spawn(place.while_busy(move || computing.control.cpu_time()));
    let holding = place.map(busy);
    let mut chunk = BytesMut::with_capacity(CHUNK);
    // The end, or a terminal that cannot be read any more, which is the end as well.
    while shell.read_buf(&mut chunk).await.is_ok_and(|n| n > 0) {
        let data = chunk.split().freeze();
        emit.room().await;
        emit.send(event("shellData", &entry.id, ("data", Value::Bytes(data))));
        chunk.reserve(CHUNK);
    }
    let code = entry.control.wait().await.unwrap_or_default();
    if let Some(holding) = holding {
        holding.abort();
    }
    release();
    emit.send(event("shellExit", &entry.id, ("exitCode", Value::from(code))));
}

fn event(name: &str, id: &str, member: (&str, Value)) -> Event {
    let payload = Value::object([("shellId", Value::from(id)), member]);
    Event::new(name, vec![payload]).scope("shell", id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_two_numbers() {
        let size = packed(4096, 24);
        assert_eq!((size >> 16, size & 0xffff), (4096, 24));
    }
}
