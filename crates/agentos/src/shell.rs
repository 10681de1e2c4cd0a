//! Terminals of the VM for people: a process on a pseudo-terminal whose master the host holds (api.md section 4.3).

use crate::error::{Error, Result};
use crate::process::{ProcessControl, Signal, Spawn};
use crate::stream;
use crate::vm::{AgentOs, Vm};
use agentos_kernel::Errno;
use agentos_kernel::fd::OpenFile;
use agentos_kernel::id::Fd;
use agentos_kernel::process::{FileAction, Process, SpawnRequest};
use agentos_kernel::tty::WindowSize;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What to run on a terminal, and how large it is.
#[derive(Debug, Clone)]
pub struct ShellOptions {
    command: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    cwd: Option<String>,
    cols: u16,
    rows: u16,
}

impl Default for ShellOptions {
    /// `sh` on 80 by 24.
    fn default() -> Self {
        Self::new("sh")
    }
}

impl ShellOptions {
    /// Any program on 80 by 24.
    pub fn new(command: impl Into<String>) -> Self {
        Self {
            command: command.into(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: None,
            cols: 80,
            rows: 24,
        }
    }

    /// Arguments after the name.
    #[must_use]
    pub fn args<A: Into<String> + Clone>(mut self, args: &[A]) -> Self {
        self.args = args.iter().cloned().map(Into::into).collect();
        self
    }

    /// Sets a variable.
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

    /// Columns and rows, 1 to 4096 each.
    #[must_use]
    pub fn size(mut self, cols: u16, rows: u16) -> Self {
        (self.cols, self.rows) = (cols, rows);
        self
    }
}

/// Largest number of columns or rows.
const SIDE_MAX: u16 = 4096;

fn winsize(cols: u16, rows: u16) -> Result<WindowSize> {
    for (option, value) in [("cols", cols), ("rows", rows)] {
        if !(1..=SIDE_MAX).contains(&value) {
            let reason = format!("must be an integer between 1 and {SIDE_MAX}, got {value}");
            return Err(Error::InvalidOption { option, reason });
        }
    }
    Ok(WindowSize {
        rows,
        columns: cols,
        ..WindowSize::default()
    })
}

impl AgentOs {
    /// Starts a program on a new terminal of the VM.
    pub async fn open_shell(&self, options: ShellOptions) -> Result<Shell> {
        let spawn = Spawn {
            cwd: options.cwd,
            env: options.env,
            ..self.spawn(&options.command, &options.args)
        };
        let (process, master) = spawn.start_on_terminal((options.cols, options.rows)).await?;
        let control = ShellControl {
            process: ProcessControl {
                vm: self.vm.clone(),
                process,
            },
            master,
        };
        Ok(Shell { control })
    }
}

impl Spawn {
    /// Starts the program on a new terminal of so many columns and rows, of which it is the session's leader; gives the other
    /// end of the terminal as well.
    pub(crate) async fn start_on_terminal(mut self, (cols, rows): (u16, u16)) -> Result<(Arc<Process>, Arc<OpenFile>)> {
        let size = winsize(cols, rows)?;
        let vm = self.vm.clone();
        let opened = vm.kernel.open_pty().map_err(Error::os("openShell"));
        let pty = vm.noted(opened)?;
        vm.kernel
            .set_winsize(&pty.master, size)
            .map_err(Error::os("openShell"))?;
        // What was given counts, of two of one name.
        self.env.insert(0, ("TERM".to_owned(), "xterm-256color".to_owned()));
        let slave = |fd| FileAction::Inherit(Fd(fd), pty.slave.clone());
        let request = SpawnRequest {
            actions: vec![slave(0), slave(1), slave(2)],
            setsid: true,
            foreground: true,
            ..self.request()?
        };
        Ok((vm.start(request).await?, pty.master))
    }
}

/// Changes the size of a terminal; its foreground group gets SIGWINCH.
pub(crate) fn resize(vm: &Vm, master: &Arc<OpenFile>, cols: u16, rows: u16) -> Result<()> {
    let size = winsize(cols, rows)?;
    vm.kernel.set_winsize(master, size).map_err(Error::os("resizeShell"))
}

/// A program on a terminal: what it prints is read, what is written are keys. Reading ends when the program has ended.
/// Dropping it hangs up.
#[derive(Debug)]
pub struct Shell {
    control: ShellControl,
}

impl Shell {
    /// Process id in the VM.
    pub fn pid(&self) -> u32 {
        self.control.process.pid()
    }

    /// A handle for resizing and waiting that can be used while the terminal is being read.
    pub fn control(&self) -> ShellControl {
        self.control.clone()
    }

    /// Changes the size; the foreground group gets SIGWINCH.
    pub fn resize(&self, cols: u16, rows: u16) -> Result<()> {
        self.control.resize(cols, rows)
    }

    /// Waits for the end and gives the exit code.
    pub async fn wait(&self) -> Result<i32> {
        self.control.wait().await
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        if self.control.process.status().is_none() {
            // The VM may be gone already, and the processes with it.
            let _ = self.control.process.signal_group(Signal::Hup);
        }
    }
}

/// Resizing and waiting, apart from the stream.
#[derive(Debug, Clone)]
pub struct ShellControl {
    process: ProcessControl,
    master: Arc<OpenFile>,
}

impl ShellControl {
    /// Changes the size; the foreground group gets SIGWINCH.
    pub fn resize(&self, cols: u16, rows: u16) -> Result<()> {
        resize(&self.process.vm, &self.master, cols, rows)
    }

    /// Waits for the end and gives the exit code.
    pub async fn wait(&self) -> Result<i32> {
        self.process.wait().await
    }

    /// CPU time that its program has used so far; see [`ProcessControl::cpu_time`].
    pub fn cpu_time(&self) -> core::time::Duration {
        self.process.cpu_time()
    }

    /// Process id in the VM.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The exit code, if the program has ended.
    pub fn exit_code(&self) -> Option<i32> {
        self.process.exit_code()
    }

    /// Types: writes everything, and waits while the terminal is full.
    pub async fn write_all(&self, data: impl AsRef<[u8]>) -> Result<()> {
        stream::write_all(&self.master, data.as_ref())
            .await
            .map_err(Error::os("writeShell"))
    }

    /// Sends a signal to the program's process group.
    pub fn signal_group(&self, signal: Signal) -> Result<()> {
        self.process.signal_group(signal)
    }
}

impl AsyncRead for Shell {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let ended = self.control.process.process.poll_exit(cx.waker()).is_ready();
        let room = buf.initialize_unfilled();
        match self.control.master.read(room, Some(cx.waker())) {
            Poll::Pending if ended => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(n)) => {
                buf.advance(n);
                Poll::Ready(Ok(()))
            }
            // As on Linux: the master says EIO once the last slave is closed.
            Poll::Ready(Err(error)) if error.errno() == Errno::EIO => Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(io::Error::from_raw_os_error(error.errno().raw()))),
        }
    }
}

impl AsyncWrite for Shell {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(self.control.master.write(data, Some(cx.waker())));
        Poll::Ready(written.map_err(|error| io::Error::from_raw_os_error(error.errno().raw())))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
