//! `agentos run`: one command in a fresh VM.

use crate::args::{RunArgs, parse_duration};
use crate::error::{Error, Exit};
use crate::stdio::{self, Captured, Ended, Sink};
use crate::{prepare, report, terminal, vm};
use agentos::{AgentOs, Usage};
use serde_json::json;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Runs the command and gives its status.
pub(crate) fn main(args: &RunArgs) -> Result<Exit, Error> {
    let config = vm::config(&args.vm)?;
    let configured = config.timeout.as_deref().map(parse_duration).transpose();
    let configured = configured.map_err(|reason| Error::Usage(format!("timeout: {reason}")))?;
    let builder = vm::builder(&args.vm, &config)?;
    let argv = argv(args, &builder)?;
    let timeout = args.timeout.or(configured);
    let runtime = vm::runtime()?;
    let exit = runtime.block_on(async {
        prepare::programs(&builder).await?;
        let start = Instant::now();
        let vm = builder.create().await?;
        let created = start.elapsed();
        let run = Run {
            vm,
            argv,
            timeout,
            created,
        };
        if args.json {
            run.captured().await
        } else {
            run.attached(args.stats).await
        }
    });
    // The thread that reads standard input cannot be interrupted; it must not hold up the end.
    runtime.shutdown_timeout(Duration::ZERO);
    exit
}

/// The words to run: a script becomes `sh -c SCRIPT`, nothing what an image says.
fn argv(args: &RunArgs, builder: &agentos::Builder) -> Result<Vec<String>, Error> {
    match (&args.script, args.command.is_empty()) {
        (Some(script), _) => Ok(["sh", "-c", script].map(str::to_owned).to_vec()),
        (None, false) => Ok(args.command.clone()),
        (None, true) if !builder.image_command().is_empty() => Ok(builder.image_command()),
        (None, true) => Err(Error::Usage(
            "run: give a COMMAND or -c SCRIPT (agentos run --help)".to_owned(),
        )),
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
        let mut sink = Sink::memory(self.vm.limits().captured_output_bytes());
        let start = Instant::now();
        let ended = stdio::attach(&self.vm, &self.argv, self.timeout, &mut sink).await?;
        let ran = start.elapsed();
        if let Sink::Memory(stdout, stderr) = &sink {
            report::json(&self.describe(ended, stdout, stderr, ran))?;
        }
        Ok(ended.exit())
    }

    fn describe(&self, ended: Ended, stdout: &Captured, stderr: &Captured, ran: Duration) -> serde_json::Value {
        let usage = self.vm.usage();
        json!({
            "exitCode": if ended.timed_out { 124 } else { ended.code },
            "stdout": String::from_utf8_lossy(&stdout.bytes),
            "stderr": String::from_utf8_lossy(&stderr.bytes),
            "timedOut": ended.timed_out,
            "stdoutTruncated": stdout.truncated,
            "stderrTruncated": stderr.truncated,
            "createUs": micros(self.created),
            "runUs": micros(ran),
            "cpuUs": micros(usage.cpu_time),
            "peakMemoryBytes": usage.peak_memory_bytes,
            "limits": usage.limits.iter().map(|used| json!({
                "limit": used.limit, "category": used.category, "observed": used.observed, "capacity": used.capacity,
            })).collect::<Vec<_>>(),
        })
    }

    /// Standard streams attached; a terminal becomes a terminal of the VM.
    async fn attached(self, stats: bool) -> Result<Exit, Error> {
        let start = Instant::now();
        let exit = if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
            terminal::attach(&self.vm, &self.argv, self.timeout).await?
        } else {
            stdio::attach(&self.vm, &self.argv, self.timeout, &mut Sink::streams())
                .await?
                .exit()
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
    for used in &usage.limits {
        report::progress(&format!(
            "{}: {} of {}",
            used.configuration_path, used.observed, used.capacity
        ));
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
