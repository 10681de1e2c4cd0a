//! `exec`, `ps`, `kill`.

use super::args::{ExecArgs, KillArgs, TargetArgs};
use crate::error::{Error, Exit};
use crate::report;
use agentos_client::Value;
use serde::Deserialize;
use serde_json::json;
use std::io::Read as _;

/// Bytes of standard input that `exec` passes on, at most.
const STDIN_MAX: u64 = 16 << 20;

/// Runs a command to its end and gives its status.
pub(super) async fn exec(args: &ExecArgs) -> Result<Exit, Error> {
    let vm = super::vm(&args.target).await?;
    let mut request = match &args.script {
        Some(script) => vm.exec(script),
        None => vm.exec_argv(&args.command),
    };
    for env in &args.env {
        request = request.env(&env.name, &env.value);
    }
    if let Some(cwd) = &args.cwd {
        request = request.cwd(cwd);
    }
    if let Some(timeout) = args.timeout {
        request = request.timeout(timeout);
    }
    if args.stdin {
        request = request.stdin(input()?);
    }
    let output = request.await?;
    if args.target.json {
        report::json(&json!({
            "exitCode": output.exit_code, "stdout": output.stdout, "stderr": output.stderr, "timedOut": output.timed_out,
            "stdoutTruncated": output.stdout_truncated, "stderrTruncated": output.stderr_truncated,
        }))?;
    } else {
        report::error_text(&output.stderr)?;
        report::text(&output.stdout)?;
    }
    Ok(Exit::guest(output.exit_code))
}

/// Standard input to its end.
fn input() -> Result<Vec<u8>, Error> {
    let mut input = Vec::new();
    std::io::stdin()
        .lock()
        .take(STDIN_MAX + 1)
        .read_to_end(&mut input)
        .map_err(Error::host("standard input"))?;
    if input.len() as u64 > STDIN_MAX {
        return Err(Error::Usage(format!(
            "standard input is longer than {STDIN_MAX} bytes; copy it with `agentos cp` first"
        )));
    }
    Ok(input)
}

/// What a row of the table needs.
#[derive(Deserialize)]
struct Row {
    pid: u32,
    ppid: u32,
    status: String,
    command: String,
    args: Vec<String>,
}

/// Prints the processes of the VM.
pub(super) async fn list(args: &TargetArgs) -> Result<Exit, Error> {
    let vm = super::vm(args).await?;
    if args.json {
        report::json(&vm.call_as::<serde_json::Value>("allProcesses", &[]).await?)?;
        return Ok(Exit::SUCCESS);
    }
    let rows: Vec<Row> = vm.call_as("allProcesses", &[]).await?;
    let mut text = format!("{:>6} {:>6} {:8} COMMAND\n", "PID", "PPID", "STATUS");
    for row in rows {
        let words = core::iter::once(&row.command)
            .chain(&row.args)
            .map(|word| word.escape_debug().to_string());
        let command = words.collect::<Vec<_>>().join(" ");
        text.push_str(&format!("{:>6} {:>6} {:8} {command}\n", row.pid, row.ppid, row.status));
    }
    report::text(&text)?;
    Ok(Exit::SUCCESS)
}

/// Sends a signal.
pub(super) async fn kill(args: &KillArgs) -> Result<Exit, Error> {
    let vm = super::vm(&args.target).await?;
    let signal = args.signal.to_ascii_uppercase();
    let signal = if signal.starts_with("SIG") {
        signal
    } else {
        format!("SIG{signal}")
    };
    vm.call(
        "signalProcess",
        &[Value::from(i64::from(args.pid)), Value::from(signal)],
    )
    .await?;
    Ok(Exit::SUCCESS)
}
