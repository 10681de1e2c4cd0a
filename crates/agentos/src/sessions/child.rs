//! Processes that the session layer starts: agents and their terminals.
//!
//! They hold what is theirs of the kernel and not the VM, for the reason that [`computer`](super::computer) has.

use super::computer::refused;
use crate::error::Error;
use crate::process::poll_pipe;
use crate::stream;
use crate::vm::{AgentOs, Vm};
use agentos_kernel::fd::{OpenFile, PipeUse};
use agentos_kernel::process::{Process, Signal};
use agentos_session::{
    BoxFuture, Child, ChildControl, ChildInput, ChildOutput, Exit, Launch, Stream, VmError, VmResult,
};
use bytes::Bytes;
use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};

/// Starts a process with pipes, as the leader of a group of its own.
pub(super) async fn start(os: &AgentOs, launch: Launch) -> VmResult<Child> {
    let vm = &os.vm;
    let (program, args) = launch
        .argv
        .split_first()
        .map_or(("", [].as_slice()), |(first, rest)| (first.as_str(), rest));
    let mut spawn = os.spawn(program, args);
    let path = launch.path_first.map(|first| match path_of(os, &launch.env) {
        Some(rest) => format!("{first}:{rest}"),
        None => first,
    });
    for (name, value) in launch.env {
        spawn = spawn.env(name, value);
    }
    if let Some(path) = path {
        spawn = spawn.env("PATH", path);
    }
    if let Some(cwd) = launch.cwd {
        spawn = spawn.cwd(cwd);
    }
    if let Some(size) = launch.terminal {
        let (process, master) = spawn.start_on_terminal(size).await.map_err(refused)?;
        return Ok(made(
            vm,
            &process,
            launch.is_agent,
            Pipes {
                stdin: Some(Arc::clone(&master)),
                stdout: Arc::clone(&master),
                stderr: None,
                master: Some(master),
            },
        ));
    }
    let (stdin_read, stdin) = match launch.stdin {
        true => {
            let (read, write) = vm.pipe(PipeUse::Input, "spawn").map_err(refused)?;
            (Some(read), Some(write))
        }
        false => (None, None),
    };
    let (stdout, stdout_write) = vm.pipe(PipeUse::Output, "spawn").map_err(refused)?;
    let (stderr, stderr_write) = vm.pipe(PipeUse::Output, "spawn").map_err(refused)?;
    let streams = [stdin_read, Some(stdout_write), Some(stderr_write)];
    let process = spawn.start_with(streams).await.map_err(refused)?;
    Ok(made(
        vm,
        &process,
        launch.is_agent,
        Pipes {
            stdin,
            stdout,
            stderr: Some(stderr),
            master: None,
        },
    ))
}

/// The host's ends of what a process reads and writes.
struct Pipes {
    stdin: Option<Arc<OpenFile>>,
    stdout: Arc<OpenFile>,
    stderr: Option<Arc<OpenFile>>,
    /// Of its terminal, if it has one.
    master: Option<Arc<OpenFile>>,
}

fn made(vm: &Arc<Vm>, process: &Arc<Process>, is_agent: bool, pipes: Pipes) -> Child {
    if is_agent {
        vm.agents.lock().insert(process.pid().0);
    }
    let control = Control {
        vm: Arc::downgrade(vm),
        process: Arc::clone(process),
        master: pipes.master,
    };
    Child {
        stdin: Box::new(Input(pipes.stdin)),
        output: Box::new(Output {
            process: Arc::clone(process),
            stdout: Some(pipes.stdout),
            stderr: pipes.stderr,
        }),
        control: Arc::new(control),
    }
}

/// The `PATH` of a process that is started with these variables.
fn path_of(os: &AgentOs, env: &[(String, String)]) -> Option<String> {
    let variables = os.vm.environment(env).ok()?;
    let path = variables.iter().find_map(|variable| variable.strip_prefix(b"PATH="))?;
    Some(String::from_utf8_lossy(path).into_owned())
}

struct Input(Option<Arc<OpenFile>>);

impl ChildInput for Input {
    fn write<'a>(&'a mut self, data: &'a [u8]) -> BoxFuture<'a, VmResult<()>> {
        Box::pin(async move {
            let closed = || VmError::new("EPIPE", "EPIPE: broken pipe");
            let file = self.0.as_ref().ok_or_else(closed)?;
            stream::write_all(file, data).await.map_err(|_| closed())
        })
    }
}

struct Output {
    process: Arc<Process>,
    stdout: Option<Arc<OpenFile>>,
    stderr: Option<Arc<OpenFile>>,
}

impl Output {
    fn poll(&mut self, waker: &Waker, most: usize) -> Poll<Option<(Stream, Bytes)>> {
        // Asked before reading: what an ended process wrote is in the pipes by then.
        let ended = self.process.poll_exit(waker).is_ready();
        for (stream, slot) in [(Stream::Stdout, &mut self.stdout), (Stream::Stderr, &mut self.stderr)] {
            if let Poll::Ready(Some(data)) = poll_pipe(slot, waker, most) {
                return Poll::Ready(Some((stream, data)));
            }
        }
        // Without its standard output an agent says nothing more.
        match ended || (self.stdout.is_none() && self.stderr.is_none()) {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }
}

impl ChildOutput for Output {
    fn next(&mut self, most: usize) -> BoxFuture<'_, Option<(Stream, Bytes)>> {
        Box::pin(poll_fn(move |cx| self.poll(cx.waker(), most)))
    }
}

struct Control {
    vm: Weak<Vm>,
    process: Arc<Process>,
    master: Option<Arc<OpenFile>>,
}

impl Control {
    fn signal(&self, signal: Signal) {
        let Some(vm) = self.vm.upgrade().filter(|_| self.process.exit_status().is_none()) else {
            return;
        };
        let pid = self.process.pid().0;
        let init = vm.kernel.init();
        // Its group, and what left the group: an agent's commands often have groups of their own.
        let _ = init.kill(i32::try_from(pid).map_or(i32::MIN + 1, |pid| -pid), signal);
        for pid in descendants(&vm, &HashSet::from([pid])) {
            let _ = init.kill(i32::try_from(pid).unwrap_or(i32::MAX), signal);
        }
    }
}

impl ChildControl for Control {
    fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn resize(&self, columns: u16, rows: u16) -> VmResult<()> {
        let master = self.master.as_ref();
        let master = master.ok_or_else(|| VmError::new("ENOTTY", "ENOTTY: it has pipes and no terminal"))?;
        let vm = self.vm.upgrade().ok_or_else(|| refused(Error::Disposed))?;
        crate::shell::resize(&vm, master, columns, rows).map_err(refused)
    }

    fn wait(&self) -> BoxFuture<'static, Exit> {
        let (process, vm) = (Arc::clone(&self.process), self.vm.clone());
        Box::pin(async move {
            let status = stream::exit(&process).await;
            if let Some(vm) = vm.upgrade() {
                vm.agents.lock().remove(&process.pid().0);
            }
            Exit {
                code: i32::from(status.code()),
                signal: status.signal().map(|signal| format!("SIG{}", signal.name())),
            }
        })
    }
}

/// The processes of `roots` and all that have one of these among their ancestors.
pub(crate) fn descendants(vm: &Vm, roots: &HashSet<u32>) -> HashSet<u32> {
    let mut found = roots.clone();
    let processes: Vec<(u32, u32)> = vm
        .kernel
        .processes()
        .iter()
        .map(|process| (process.pid().0, process.ppid().0))
        .collect();
    loop {
        let before = found.len();
        found.extend(
            processes
                .iter()
                .filter(|(_, parent)| found.contains(parent))
                .map(|(pid, _)| *pid)
                .collect::<Vec<_>>(),
        );
        if found.len() == before {
            return found;
        }
    }
}
