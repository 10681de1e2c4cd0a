//! `agentos run`: one command in a fresh VM.

use crate::args::{RunArgs, parse_duration};
use crate::error::{Error, Exit};
use crate::{report, stdio, terminal, vm};
use agentos::{AgentOs, ExecOutput, Usage};
use serde_json::json;
use std::io::{IsTerminal, Read};
use std::time::{Duration, Instant};

/// Runs the command and gives its status.
pub(crate) fn main(args: RunArgs) -> Result<Exit, Error> {
    let config = vm::config(&args.vm)?;
    let configured = config.timeout.as_deref().map(parse_duration).transpose();
    let configured = configured.map_err(|reason| Error::Usage(format!("timeout: {reason}")))?;
    let argv = argv(&args)?;
    let builder = vm::builder(&args.vm, &config)?;
    let timeout = args.timeout.or(configured);
    let runtime = vm::runtime()?;
    let exit = runtime.block_on(async {
        let start = Instant::now();
        let vm = builder.create().await?;
        let created = start.elapsed();
        let run = Run { vm, argv, timeout, created };
        if args.json { run.captured().await } else { run.attached(args.stats).await }
    });
    // The thread that reads standard input cannot be interrupted; it must not hold up the end.
    runtime.shutdown_timeout(Duration::ZERO);
    exit
}

/// The words to run: a script becomes `sh -c SCRIPT`.
fn argv(args: &RunArgs) -> Result<Vec<String>, Error> {
    match (&args.script, args.command.is_empty()) {
        (Some(script), _) => Ok(["sh", "-c", script].map(str::to_owned).to_vec()),
        (None, false) => Ok(args.command.clone()),
        (None, true) => Err(Error::Usage("run: give a COMMAND or -c SCRIPT (agentos run --help)".to_owned())),
    }
}

/// What to run, and where.
struct Run {
    vm: AgentOs,
    argv: Vec<String>,
    timeout: Option<Duration>,
    created: Duration,
}

impl Run {
    /// `--json`: collects everything and prints one object.
    async fn captured(self) -> Result<Exit, Error> {
        let mut exec = self.vm.exec_argv(&self.argv).stdin(piped_input()?);
        if let Some(timeout) = self.timeout {
            exec = exec.timeout(timeout);
        }
        let start = Instant::now();
        let output = exec.await?;
        let ran = start.elapsed();
        report::json(&self.describe(&output, ran))?;
        Ok(Exit::guest(output.exit_code))
    }

    fn describe(&self, output: &ExecOutput, ran: Duration) -> serde_json::Value {
        let usage = self.vm.usage();
        json!({
            "exitCode": output.exit_code,
            "stdout": String::from_utf8_lossy(&output.stdout),
            "stderr": String::from_utf8_lossy(&output.stderr),
            "timedOut": output.timed_out,
            "stdoutTruncated": output.stdout_truncated,
            "stderrTruncated": output.stderr_truncated,
            "createUs": micros(self.created),
            "runUs": micros(ran),
            "cpuUs": micros(usage.cpu_time),
            "peakMemoryBytes": usage.peak_memory_bytes,
        })
    }

    /// Standard streams attached; a terminal becomes a terminal of the VM.
    async fn attached(self, stats: bool) -> Result<Exit, Error> {
        let start = Instant::now();
        let interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let exit = if interactive {
            terminal::attach(&self.vm, &self.argv, self.timeout).await?
        } else {
            stdio::attach(&self.vm, &self.argv, self.timeout).await?
        };
        if stats {
            print_stats(self.created, start.elapsed(), &self.vm.usage());
        }
        Ok(exit)
    }
}

fn print_stats(created: Duration, ran: Duration, usage: &Usage) {
    report::progress(&format!(
        "VM created in {:.0} us; command ran {:.1} ms ({:.1} ms CPU, {} processes); peak memory {:.1} MiB; {} bytes in {} files written",
        created.as_secs_f64() * 1e6,
        ran.as_secs_f64() * 1e3,
        usage.cpu_time.as_secs_f64() * 1e3,
        usage.processes_started,
        usage.peak_memory_bytes as f64 / f64::from(1 << 20),
        usage.filesystem_bytes,
        usage.inodes,
    ));
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// All of standard input where it is a pipe or file, nothing where it is a terminal.
fn piped_input() -> Result<Vec<u8>, Error> {
    let mut input = Vec::new();
    if !std::io::stdin().is_terminal() {
        // The same bound as for input that waits for a guest (limits.process.pendingStdinBytes).
        let limit = agentos::Limits::default().pending_stdin_bytes;
        std::io::stdin().take(limit + 1).read_to_end(&mut input).map_err(Error::host("standard input"))?;
        if input.len() as u64 > limit {
            return Err(Error::Usage(format!(
                "run --json: standard input is larger than {limit} bytes; run without --json to stream it"
            )));
        }
    }
    Ok(input)
}
