//! A VM of this process.

use crate::computer::{Attributes, BoxFuture, Command, Computer, Ended, Entry, OnOutput, ProcessLog, Result, Started};
use crate::failure::{Exceeded, Failure};
use crate::limits::Limits;
use crate::process::Processes;
use agentos::{AgentOs, ListOptions, Signal};
use bytes::Bytes;
use std::time::Duration;

/// An [`AgentOs`], as a server of this crate uses it.
#[derive(Debug)]
pub struct LocalVm {
    vm: AgentOs,
    cwd: String,
    processes: Processes,
    /// Held while a process is started, so that no two take the last place.
    starting: tokio::sync::Mutex<()>,
    limits: Limits,
}

impl LocalVm {
    /// Takes a VM whose commands start in `cwd`.
    pub fn new(vm: AgentOs, cwd: impl Into<String>) -> Self {
        Self {
            vm,
            cwd: cwd.into(),
            processes: Processes::default(),
            starting: tokio::sync::Mutex::default(),
            limits: Limits::default(),
        }
    }

    /// Other bounds; those of started processes matter here.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    async fn run(&self, command: Command, output: OnOutput) -> Result<Ended> {
        let mut exec = self
            .vm
            .exec_argv(&command.argv)
            .cwd(command.cwd.unwrap_or_else(|| self.cwd.clone()));
        for (name, value) in command.env {
            exec = exec.env(name, value);
        }
        if let Some(stdin) = command.stdin {
            exec = exec.stdin(stdin);
        }
        if let Some(timeout) = command.timeout {
            exec = exec.timeout(timeout);
        }
        let ended = exec.on_output(output).await?;
        Ok(Ended {
            exit_code: ended.exit_code,
            timed_out: ended.timed_out,
            limit: ended.limit.map(|limit| {
                let path = limit.configuration_path;
                Exceeded::new(path, limit.observed, limit.capacity, limit.operation)
            }),
        })
    }

    async fn begin(&self, command: Command) -> Result<u32> {
        let _alone = self.starting.lock().await;
        self.processes.make_room(&self.limits)?;
        let argv = command.argv.clone();
        let (program, args) = command
            .argv
            .split_first()
            .map_or(("", &[][..]), |(first, rest)| (first, rest));
        let mut spawn = self
            .vm
            .spawn(program, args)
            .cwd(command.cwd.unwrap_or_else(|| self.cwd.clone()));
        for (name, value) in command.env {
            spawn = spawn.env(name, value);
        }
        Ok(self.processes.add(argv, spawn.start().await?, &self.limits))
    }

    async fn attributes(&self, path: String, follow: bool) -> Result<Attributes> {
        let stat = match follow {
            true => self.vm.stat(&path).await?,
            false => self.vm.lstat(&path).await?,
        };
        Ok(Attributes {
            kind: stat.kind,
            size: stat.size,
            mode: stat.mode & 0o7777,
            uid: stat.uid,
            gid: stat.gid,
            nlink: stat.nlink,
            ino: stat.ino,
            modified_ms: stat.mtime_ns.div_euclid(1_000_000),
        })
    }

    async fn entries(&self, path: String, depth: usize, exclude: Vec<String>) -> Result<Vec<Entry>> {
        let options = ListOptions::default().max_depth(depth);
        let options = exclude.into_iter().fold(options, ListOptions::exclude);
        let listed = self.vm.read_dir_recursive(&path, options).await?;
        let entry = |entry: agentos::DirectoryEntry| Entry {
            path: entry.path,
            kind: entry.kind,
            size: entry.size,
        };
        Ok(listed.into_iter().map(entry).collect())
    }
}

impl Computer for LocalVm {
    fn cwd(&self) -> String {
        self.cwd.clone()
    }

    fn exec(&self, command: Command, output: OnOutput) -> BoxFuture<'_, Result<Ended>> {
        Box::pin(self.run(command, output))
    }

    fn start(&self, command: Command) -> BoxFuture<'_, Result<u32>> {
        Box::pin(self.begin(command))
    }

    fn started(&self) -> BoxFuture<'_, Result<Vec<Started>>> {
        Box::pin(async { Ok(self.processes.list()) })
    }

    fn log(&self, pid: u32, seen: (u64, u64), wait: Duration) -> BoxFuture<'_, Result<ProcessLog>> {
        Box::pin(self.processes.log(pid, seen, wait))
    }

    fn write_stdin(&self, pid: u32, data: Bytes, close: bool) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.processes.write(pid, &data, close).await })
    }

    fn signal(&self, pid: u32, signal: String) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let known = Signal::named(&signal);
            let known = known
                .ok_or_else(|| Failure::argument("signal", format_args!("{signal:?} is no signal; SIGTERM is one")))?;
            self.processes.signal(pid, known)
        })
    }

    fn read(&self, path: String, offset: u64, length: u64) -> BoxFuture<'_, Result<Bytes>> {
        Box::pin(async move { Ok(self.vm.read_file_range(&path, offset, length).await?) })
    }

    fn write(&self, path: String, content: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { Ok(self.vm.write_file_owned(&path, content).await?) })
    }

    fn append(&self, path: String, content: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { Ok(self.vm.append_file(&path, content).await?) })
    }

    fn stat(&self, path: String, follow: bool) -> BoxFuture<'_, Result<Attributes>> {
        Box::pin(self.attributes(path, follow))
    }

    fn list(&self, path: String, depth: usize, exclude: Vec<String>) -> BoxFuture<'_, Result<Vec<Entry>>> {
        Box::pin(self.entries(path, depth, exclude))
    }

    fn mkdir(&self, path: String, parents: bool) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            match parents {
                true => self.vm.mkdir_all(&path).await?,
                false => self.vm.mkdir(&path).await?,
            }
            Ok(())
        })
    }

    fn rename(&self, from: String, to: String) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { Ok(self.vm.rename(&from, &to).await?) })
    }

    fn remove(&self, path: String, recursive: bool) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            match recursive {
                true => self.vm.remove_all(&path).await?,
                false => self.vm.remove(&path).await?,
            }
            Ok(())
        })
    }
}
