//! The same files in a folder of the host and in a VM, and running the same script in both.

use super::super::files::Scratch;
use crate::error::Error;
use agentos::AgentOs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::Command;

const SHELL: &str = "/usr/bin/bash";
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Where a VM has its files.
const HOME: &str = "/home/user";
/// The program that times calls.
pub(super) const CALLS: &str = include_str!("calls.c");

/// What scripts find in their folder.
const FILES: &[(&str, &str)] = &[
    ("calls.c", CALLS),
    ("setup.sh", include_str!("setup.sh")),
    ("packages.js", include_str!("packages.js")),
];

/// A VM and a folder of the host.
pub(super) struct World {
    vm: AgentOs,
    folder: Scratch,
}

/// What a script printed, and how long it took.
type Ran = (String, Duration);

impl World {
    pub(super) async fn new() -> Result<Self, Error> {
        let mut limits = agentos::Limits::default();
        limits.cpu_count = processors();
        let world = Self {
            vm: AgentOs::builder().image("host").limits(limits).create().await?,
            folder: Scratch::new()?,
        };
        for (name, text) in FILES {
            world.put(name, text.as_bytes()).await?;
        }
        Ok(world)
    }

    /// Why no program of Linux runs here, if none does.
    pub(super) async fn refusal(&self) -> Result<Option<String>, Error> {
        if !Path::new(SHELL).exists() {
            return Ok(Some(format!("no {SHELL} here")));
        }
        let output = self.vm.exec_argv([SHELL, "-c", ":"]).await;
        Ok(match output {
            Ok(output) if output.exit_code == 0 => None,
            Ok(output) => Some(output.stderr_text()),
            Err(error) => Some(error.to_string()),
        })
    }

    /// Puts a program into both.
    pub(super) async fn put(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let path = self.folder.path.join(name);
        std::fs::write(&path, content).map_err(Error::host("temporary file"))?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).map_err(Error::host("temporary file"))?;
        let guest = format!("{HOME}/{name}");
        self.vm.write_file(&guest, content).await?;
        Ok(self.vm.chmod(&guest, 0o755).await?)
    }

    /// Makes what the programs work on.
    pub(super) async fn set_up(&self) -> Result<(), Error> {
        self.in_vm(". ./setup.sh").await?;
        self.on_host(". ./setup.sh").await.map(drop)
    }

    pub(super) async fn in_vm(&self, script: &str) -> Result<Ran, Error> {
        let start = Instant::now();
        let command = self.vm.exec_argv([SHELL, "-c", script]).cwd(HOME);
        let output = command.env("PATH", PATH).env("HOME", HOME).await?;
        let took = start.elapsed();
        super::super::row::check(&output, script)?;
        Ok((output.stdout_text(), took))
    }

    pub(super) async fn on_host(&self, script: &str) -> Result<Ran, Error> {
        let start = Instant::now();
        let output = Command::new(SHELL)
            .args(["-c", script])
            .current_dir(&self.folder.path)
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", &self.folder.path)
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(Error::host("bash"))?;
        let took = start.elapsed();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Error::Usage(format!("bench: {script:?} failed on the host: {said}")));
        }
        Ok((String::from_utf8_lossy(&output.stdout).into_owned(), took))
    }
}

/// Processors that programs of the host may use. The VM gets as many: with the one that VMs have by default, what is compared for
/// programs of several threads would be numbers of processors.
pub(in crate::bench) fn processors() -> u64 {
    /// The limit's own most.
    const MOST: u64 = 256;
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    u64::try_from(count).unwrap_or(MOST).min(MOST)
}

/// Whether the host, and so the VM, has a program.
pub(super) fn is_there(name: &str) -> bool {
    PATH.split(':').any(|folder| Path::new(folder).join(name).exists())
}

/// A program of C that needs nothing else; none without a compiler.
pub(super) fn compiled(text: &str) -> Result<Option<Vec<u8>>, Error> {
    let folder = Scratch::new()?;
    let (source, program) = (folder.path.join("program.c"), folder.path.join("program"));
    std::fs::write(&source, text).map_err(Error::host("temporary file"))?;
    let mut cc = std::process::Command::new("cc");
    cc.args(["-O2", "-static", "-o"]).arg(&program).arg(&source);
    match cc.stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => std::fs::read(&program).map(Some).map_err(Error::host("temporary file")),
        _ => Ok(None),
    }
}
