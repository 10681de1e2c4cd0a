//! Actions on processes (api.md section 4.2).

use super::args::{Arg, Args, Members, Result, invalid_argument};
use super::{Action, Call, awake};
use crate::errors::from_sdk;
use crate::machine::{Machine, SpawnPlan};
use crate::secrets::EnvValue;
use crate::shapes::{self, OutputAs};
use agentos::{Exec, Signal, Stream, TimingMitigation};
use agentos_value::Value;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// The actions of this group.
pub(super) const ACTIONS: &[Action] = &[
    awake!("exec", exec),
    awake!("execArgv", exec_argv),
    awake!("spawn", spawn),
    awake!("writeProcessStdin", write_stdin),
    awake!("closeProcessStdin", close_stdin),
    awake!("waitProcess", wait),
    awake!("listProcesses", list),
    awake!("getProcess", get),
    awake!("getProcessLog", log),
    awake!("allProcesses", all),
    awake!("processTree", tree),
    awake!("stopProcess", stop),
    awake!("killProcess", kill),
    awake!("signalProcess", signal),
];

/// Members of `ExecOptions`.
const EXEC_OPTIONS: &[&str] = &[
    "env",
    "cwd",
    "stdin",
    "timeout",
    "filePath",
    "captureStdio",
    "cpuTimeLimitMs",
    "timingMitigation",
    "encoding",
];

/// Longest time in ms that can be asked for.
const MAX_MS: u64 = (1 << 31) - 1;

/// `ExecOptions`, read.
struct Options {
    env: Vec<(String, EnvValue)>,
    cwd: Option<String>,
    stdin: Option<Bytes>,
    timeout: Option<Duration>,
    cpu_time: Option<Duration>,
    timing: TimingMitigation,
    capture: bool,
    form: OutputAs,
}

impl Options {
    fn read(mut given: Members) -> Result<Self> {
        let duration = |ms: Option<u64>| ms.map(Duration::from_millis);
        // A label for diagnostics; what it says is checked and has no effect.
        given.text("filePath")?;
        let timing = given.take("timingMitigation").map(|arg| arg.word(&["off", "freeze"]));
        let encoding = given.take("encoding").map(|arg| arg.word(&["utf8", "buffer"]));
        Ok(Self {
            env: given.take("env").map_or_else(|| Ok(Vec::new()), environment)?,
            cwd: given.text("cwd")?,
            stdin: given.take("stdin").map(Arg::content).transpose()?,
            timeout: duration(given.integer("timeout", 1..=MAX_MS)?),
            cpu_time: duration(given.integer("cpuTimeLimitMs", 1..=MAX_MS)?),
            timing: match timing.transpose()? {
                Some("freeze") => TimingMitigation::Freeze,
                _ => TimingMitigation::Off,
            },
            capture: given.take("captureStdio").map_or(Ok(true), Arg::flag)?,
            form: match encoding.transpose()? {
                Some("buffer") => OutputAs::Bytes,
                _ => OutputAs::Text,
            },
        })
    }
}

/// Variables as a client gives them: texts, and references to secrets of the host.
pub(super) fn environment(arg: Arg) -> Result<Vec<(String, EnvValue)>> {
    let variables = arg.named_items("an object of strings and {secret}")?;
    let value = |(name, arg): (String, Arg)| {
        let value = match arg.is_object() {
            true => EnvValue::Secret(arg.members(&["secret"])?.need("secret").text()?),
            false => EnvValue::Plain(arg.text()?),
        };
        Ok((name, value))
    };
    variables.into_iter().map(value).collect()
}

async fn exec(Call { machine, args }: Call) -> Result<Value> {
    let (exec, options) = shell_line(&machine, args)?;
    run(&machine, exec, options).await
}

async fn exec_argv(Call { machine, args }: Call) -> Result<Value> {
    let (exec, options) = program(&machine, args)?;
    run(&machine, exec, options).await
}

/// The same as the actions `exec` and, with `argv`, `execArgv`, showing output as it comes.
pub(crate) async fn exec_with(
    machine: Arc<Machine>,
    argv: bool,
    args: Args,
    on_output: impl FnMut(Stream, Bytes) + Send + 'static,
) -> Result<Value> {
    let (exec, options) = match argv {
        false => shell_line(&machine, args)?,
        true => program(&machine, args)?,
    };
    run(&machine, exec.on_output(on_output), options).await
}

fn shell_line(machine: &Machine, mut args: Args) -> Result<(Exec, Options)> {
    let command = args.next("command").text()?;
    let options = Options::read(args.options(EXEC_OPTIONS)?)?;
    args.end()?;
    Ok((machine.vm.exec(command), options))
}

fn program(machine: &Machine, mut args: Args) -> Result<(Exec, Options)> {
    let argv = args.next("argv").texts()?;
    let options = Options::read(args.options(EXEC_OPTIONS)?)?;
    args.end()?;
    if argv.is_empty() {
        return Err(invalid_argument(
            "argv",
            "a program and its arguments",
            "an empty array",
        ));
    }
    Ok((machine.vm.exec_argv(argv), options))
}

async fn run(machine: &Machine, exec: Exec, options: Options) -> Result<Value> {
    let mut exec = exec.timing_mitigation(options.timing);
    for (name, value) in machine.secrets.resolve("options.env", options.env).await? {
        exec = exec.env(name, value);
    }
    if let Some(cwd) = options.cwd {
        exec = exec.cwd(cwd);
    }
    if let Some(stdin) = options.stdin {
        exec = exec.stdin(stdin);
    }
    if let Some(timeout) = options.timeout {
        exec = exec.timeout(timeout);
    }
    if let Some(time) = options.cpu_time {
        exec = exec.cpu_time(time);
    }
    let output = machine.execute(exec).await?;
    Ok(shapes::exec_result(output, options.form, options.capture))
}

async fn spawn(Call { machine, mut args, .. }: Call) -> Result<Value> {
    let command = args.next("command").text()?;
    let arguments = args.optional("args").map_or_else(|| Ok(Vec::new()), Arg::texts)?;
    let known: Vec<&str> = EXEC_OPTIONS.iter().copied().chain(["streamStdin"]).collect();
    let mut given = args.options(&known)?;
    args.end()?;
    let stream_stdin = given.take("streamStdin").map(Arg::flag).transpose()?;
    let options = Options::read(given)?;
    let pid = machine
        .spawn(SpawnPlan {
            command,
            args: arguments,
            env: machine.secrets.resolve("options.env", options.env).await?,
            cwd: options.cwd,
            // Without input of its own a process gets what `writeProcessStdin` sends.
            stream_stdin: stream_stdin.unwrap_or(options.stdin.is_none()),
            stdin: options.stdin,
            timeout: options.timeout,
            cpu_time: options.cpu_time,
            timing: options.timing,
            capture: options.capture,
        })
        .await?;
    Ok(Value::object([("pid", pid)]))
}

async fn write_stdin(Call { machine, mut args, .. }: Call) -> Result<Value> {
    let pid = args.next("pid").pid()?;
    let data = args.next("data").content()?;
    args.end()?;
    machine.process(pid)?.write_stdin(&data).await?;
    Ok(Value::Undefined)
}

async fn close_stdin(call: Call) -> Result<Value> {
    let (machine, pid) = only_pid(call)?;
    machine.process(pid)?.close_stdin().await;
    Ok(Value::Undefined)
}

async fn wait(call: Call) -> Result<Value> {
    let (machine, pid) = only_pid(call)?;
    let record = machine.process(pid)?;
    drop(machine);
    Ok(record.wait().await?.into())
}

async fn list(Call { machine, args, .. }: Call) -> Result<Value> {
    args.end()?;
    let records = machine.process_records();
    Ok(Value::Array(records.iter().map(|record| record.to_value()).collect()))
}

async fn get(call: Call) -> Result<Value> {
    let (machine, pid) = only_pid(call)?;
    Ok(machine.process(pid)?.to_value())
}

async fn log(call: Call) -> Result<Value> {
    let (machine, pid) = only_pid(call)?;
    Ok(machine.process(pid)?.log())
}

async fn all(Call { machine, args, .. }: Call) -> Result<Value> {
    args.end()?;
    let all = machine.vm.all_processes().await.map_err(from_sdk)?;
    Ok(Value::Array(
        all.iter()
            .map(|info| Value::Object(shapes::process_info(info)))
            .collect(),
    ))
}

async fn tree(Call { machine, args, .. }: Call) -> Result<Value> {
    args.end()?;
    let forest = machine.vm.process_tree().await.map_err(from_sdk)?;
    Ok(Value::Array(forest.iter().map(shapes::process_tree).collect()))
}

async fn stop(call: Call) -> Result<Value> {
    let (machine, pid) = only_pid(call)?;
    send(&machine, pid, Signal::Term).await
}

async fn kill(call: Call) -> Result<Value> {
    let (machine, pid) = only_pid(call)?;
    send(&machine, pid, Signal::Kill).await
}

async fn signal(Call { machine, mut args, .. }: Call) -> Result<Value> {
    let pid = args.next("pid").pid()?;
    let name = args.next("signal").text()?;
    args.end()?;
    let Some(signal) = Signal::named(&name) else {
        let received: String = name.chars().take(32).flat_map(char::escape_default).collect();
        let expected = "the name of a POSIX signal such as SIGTERM";
        return Err(invalid_argument("signal", expected, &format!("string \"{received}\"")));
    };
    send(&machine, pid, signal).await
}

/// Signals a process that a client started, which may have ended, or any other that runs.
async fn send(machine: &Machine, pid: u32, signal: Signal) -> Result<Value> {
    match machine.process(pid) {
        Ok(record) => record.control.signal(signal).map_err(from_sdk)?,
        Err(_) => machine.vm.signal_process(pid, signal).await.map_err(from_sdk)?,
    }
    Ok(Value::Undefined)
}

fn only_pid(Call { machine, mut args, .. }: Call) -> Result<(Arc<Machine>, u32)> {
    let pid = args.next("pid").pid()?;
    args.end()?;
    Ok((machine, pid))
}
