//! Methods that run programs.

use crate::dispatch::{Bytes, arguments};
use crate::failure::Failure;
use crate::process::Running;
use crate::runtime::Call;
use agentos::AgentOs;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exec {
    /// A line for the shell, or else `argv`.
    command: Option<String>,
    #[serde(default)]
    argv: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    cwd: Option<String>,
    /// Seconds.
    timeout: Option<f64>,
    /// Seconds.
    cpu_time: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spawn {
    argv: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    cwd: Option<String>,
    /// Seconds.
    cpu_time: Option<f64>,
    /// Whether it has a standard input that can be written to.
    input: bool,
}

/// A call of a method, if it is one that runs programs.
pub(super) fn call(vm: &AgentOs, method: &str, args: &str, data: &Bytes) -> Result<Option<Call>, Failure> {
    Ok(Some(match method {
        "exec" => exec(vm, arguments(args)?, data)?,
        "spawn" => spawn(vm, arguments(args)?)?,
        _ => return Ok(None),
    }))
}

fn exec(vm: &AgentOs, args: Exec, stdin: &Bytes) -> Result<Call, Failure> {
    let mut exec = match args.command {
        Some(command) => vm.exec(command),
        None if args.argv.is_empty() => return Err(Failure::invalid("argv: must name a program")),
        None => vm.exec_argv(args.argv),
    };
    for (name, value) in args.env {
        exec = exec.env(name, value);
    }
    if let Some(cwd) = args.cwd {
        exec = exec.cwd(cwd);
    }
    if let Some(time) = args.timeout {
        exec = exec.timeout(seconds("timeout", time)?);
    }
    if let Some(time) = args.cpu_time {
        exec = exec.cpu_time(seconds("cpu_time", time)?);
    }
    let exec = exec.stdin(stdin.clone());
    Ok(Box::pin(async move { Ok(exec.await?.into()) }))
}

fn spawn(vm: &AgentOs, args: Spawn) -> Result<Call, Failure> {
    let Some((command, rest)) = args.argv.split_first() else {
        return Err(Failure::invalid("command: must name a program"));
    };
    let mut spawn = vm.spawn(command, rest);
    for (name, value) in args.env {
        spawn = spawn.env(name, value);
    }
    if let Some(cwd) = args.cwd {
        spawn = spawn.cwd(cwd);
    }
    if let Some(time) = args.cpu_time {
        spawn = spawn.cpu_time(seconds("cpu_time", time)?);
    }
    if !args.input {
        spawn = spawn.no_input();
    }
    Ok(Box::pin(async move { Ok(Running::keep(spawn.start().await?)) }))
}

fn seconds(name: &str, seconds: f64) -> Result<Duration, Failure> {
    Duration::try_from_secs_f64(seconds).map_err(|error| Failure::invalid(format!("{name}: {error}")))
}
