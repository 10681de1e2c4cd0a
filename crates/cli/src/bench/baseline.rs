//! The host doing the same work.

use crate::error::Error;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const OPTIONS: [&str; 3] = ["--norc", "--noprofile", "-c"];

/// Times `samples` runs of the host's bash with this script; empty where the host has no bash.
pub(crate) fn bash(script: &str, samples: usize) -> Result<Vec<Duration>, Error> {
    bash_in(Path::new("."), script, samples)
}

/// The same, in a folder.
pub(crate) fn bash_in(folder: &Path, script: &str, samples: usize) -> Result<Vec<Duration>, Error> {
    let mut command = Command::new("bash");
    command.args(OPTIONS).arg(script).current_dir(folder);
    timed(&mut command, samples)
}

/// Times `samples` runs of a program.
pub(crate) fn program(path: &Path, args: &[&str], samples: usize) -> Result<Vec<Duration>, Error> {
    timed(Command::new(path).args(args), samples)
}

fn timed(command: &mut Command, samples: usize) -> Result<Vec<Duration>, Error> {
    let mut times = Vec::with_capacity(samples);
    for _ in 0..samples {
        let start = Instant::now();
        match command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
        {
            Ok(_) => times.push(start.elapsed()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                return Err(Error::Host {
                    what: "baseline",
                    source,
                });
            }
        }
    }
    Ok(times)
}

/// Times `samples` kills of a bash that printed something.
pub(crate) fn killed(script: &str, samples: usize) -> Result<Vec<Duration>, Error> {
    let mut times = Vec::with_capacity(samples);
    for _ in 0..samples {
        let Some(mut child) = ready(script)? else {
            return Ok(Vec::new());
        };
        let start = Instant::now();
        child.kill().and_then(|()| child.wait()).map_err(Error::host("bash"))?;
        times.push(start.elapsed());
    }
    Ok(times)
}

/// Memory in bytes of a bash that waits for input; `None` where there is no bash.
pub(crate) fn waiting_bash() -> Result<Option<f64>, Error> {
    let Some(mut child) = ready("echo ready; read line")? else {
        return Ok(None);
    };
    let memory = super::memory::resident(&child.id().to_string());
    // It ends at the end of its input in any case.
    drop(child.stdin.take());
    child.wait().map_err(Error::host("bash"))?;
    memory.map(Some)
}

/// A bash that has begun to run the script, which prints a line at first.
fn ready(script: &str) -> Result<Option<Child>, Error> {
    let mut command = Command::new("bash");
    command
        .args(OPTIONS)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Host { what: "bash", source }),
    };
    if let Some(out) = &mut child.stdout {
        out.read_exact(&mut [0; 6]).map_err(Error::host("bash"))?;
    }
    Ok(Some(child))
}

/// Times `samples` calls of `work`.
pub(crate) fn calls(samples: usize, mut work: impl FnMut() -> std::io::Result<()>) -> Result<Vec<Duration>, Error> {
    let mut times = Vec::with_capacity(samples);
    for _ in 0..samples {
        let start = Instant::now();
        work().map_err(Error::host("host file"))?;
        times.push(start.elapsed());
    }
    Ok(times)
}
