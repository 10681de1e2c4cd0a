//! Running the real binary.
#![allow(dead_code)]

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// What a run left behind, as text.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The binary under test, with an environment that cannot disturb it.
pub(crate) fn agentos() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agentos"));
    command.env_remove("TERM").stdin(Stdio::null());
    command
}

/// Runs it with these arguments and no input.
pub(crate) fn run(args: &[&str]) -> Ran {
    finish(&agentos().args(args).output().expect("the binary starts"))
}

/// Runs it with this input.
pub(crate) fn run_with(args: &[&str], input: &str) -> Ran {
    let mut command = agentos();
    command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    // It may not read its input.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    finish(&child.wait_with_output().expect("it ends"))
}

fn finish(output: &Output) -> Ran {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // Compiling at first use is told on standard error; tests look at what comes after.
    let said = text(&output.stderr);
    let lines = said
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("agentos: compiling"));
    let stderr = lines.collect();
    Ran {
        status: output.status.code(),
        stdout: text(&output.stdout),
        stderr,
    }
}
