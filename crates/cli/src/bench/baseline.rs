//! The host doing the same work.

use crate::error::Error;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Times `samples` runs of the host's bash with this script; empty where the host has no bash.
pub(crate) fn bash(script: &str, samples: usize) -> Result<Vec<Duration>, Error> {
    let mut times = Vec::with_capacity(samples);
    for _ in 0..samples {
        let start = Instant::now();
        let status = Command::new("bash")
            .args(["--norc", "--noprofile", "-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match status {
            Ok(_) => times.push(start.elapsed()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(Error::Host { what: "bash", source }),
        }
    }
    Ok(times)
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
