//! Running other programs.

use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// Runs to the end with our own standard streams; any failure is an error that shows the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|e| failure(command, &e.to_string()))?;
    if status.success() {
        Ok(())
    } else {
        Err(failure(command, &status.to_string()))
    }
}

/// Runs to the end and returns standard output as text.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let done = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| failure(command, &e.to_string()))?;
    if !done.status.success() {
        return Err(failure(command, &done.status.to_string()));
    }
    String::from_utf8(done.stdout).map_err(|_| failure(command, "its output is not UTF-8"))
}

fn failure(command: &Command, detail: &str) -> Error {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    Error::Command {
        command: words.join(" "),
        detail: detail.to_owned(),
    }
}
