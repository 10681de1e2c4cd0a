//! `agentos bench`: what a VM costs on this machine, beside the host doing the same.
//!
//! Every measurement is one row: a name, samples, p50 and p95, and the p50 of a named baseline taken in the same run, so
//! that a slow or busy machine slows both. Times are microseconds, memory is bytes.

mod agents;
mod baseline;
mod burst;
mod egress;
mod files;
mod image;
mod linux;
mod machine;
mod memory;
mod neighbour;
mod network;
mod pi;
mod policy;
mod row;
mod rules;
mod serve;
mod software;
mod vm;

use crate::args::BenchArgs;
use crate::error::{Error, Exit};
use crate::{prepare, report};
use agentos::AgentOs;
use row::{Row, Table};
use std::future::Future;
use std::pin::Pin;

/// Number of samples, scaled by `--quick`, and what may be used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    quick: bool,
    /// Whether programs may be installed from npm and run.
    npm: bool,
}

impl Scale {
    /// `full` samples, or a tenth of them but at least three.
    fn of(self, full: usize) -> usize {
        if self.quick { (full / 10).max(3) } else { full }
    }
}

type Measured = Pin<Box<dyn Future<Output = Result<Vec<Row>, Error>>>>;

/// One measurement: the rows it yields, and how.
struct Measurement {
    names: &'static [&'static str],
    run: fn(Scale) -> Measured,
}

const MEASUREMENTS: &[Measurement] = &[
    Measurement {
        names: &["vm_create"],
        run: |scale| Box::pin(vm::create(scale)),
    },
    Measurement {
        names: &["image_create", "image_open", "image_read_1k"],
        run: |scale| Box::pin(image::images(scale)),
    },
    Measurement {
        names: &["software_add"],
        run: |scale| Box::pin(software::add(scale)),
    },
    Measurement {
        names: &["exec_echo"],
        run: |scale| Box::pin(vm::exec_echo(scale)),
    },
    Measurement {
        names: &["pipeline3"],
        run: |scale| Box::pin(vm::pipeline(scale)),
    },
    Measurement {
        names: &["spawn50"],
        run: |scale| Box::pin(vm::spawn50(scale)),
    },
    Measurement {
        names: &["file_write_1k", "file_read_1k"],
        run: |scale| Box::pin(files::one_kib(scale)),
    },
    Measurement {
        names: &["find_5000"],
        run: |scale| Box::pin(files::find(scale)),
    },
    Measurement {
        names: &["grep_10mb"],
        run: |scale| Box::pin(files::grep(scale)),
    },
    Measurement {
        names: &["open_256_rules"],
        run: |scale| Box::pin(rules::open(scale)),
    },
    Measurement {
        names: &["egress_connect"],
        run: |scale| Box::pin(egress::connect(scale)),
    },
    Measurement {
        names: &["egress_download"],
        run: |scale| Box::pin(egress::download(scale)),
    },
    Measurement {
        names: &["egress_curl_1gib"],
        run: |scale| Box::pin(egress::curl(scale)),
    },
    Measurement {
        names: &["idle_vm_bytes", "blocked_process_bytes"],
        run: |scale| Box::pin(memory::marginal(scale)),
    },
    Measurement {
        names: &["burst200_p99"],
        run: |scale| Box::pin(burst::burst(scale)),
    },
    Measurement {
        names: &["blocked500"],
        run: |scale| Box::pin(burst::blocked(scale)),
    },
    Measurement {
        names: &["kill_spinner"],
        run: |scale| Box::pin(vm::kill(scale)),
    },
    Measurement {
        names: &["pipe_100mb"],
        run: |scale| Box::pin(vm::pipe(scale)),
    },
    Measurement {
        names: &["policy_cached", "policy_256"],
        run: |scale| Box::pin(policy::decisions(scale)),
    },
    Measurement {
        names: &["cli_start"],
        run: |scale| Box::pin(vm::start(scale)),
    },
    Measurement {
        names: &[
            "neighbour_flood_p99",
            "neighbour_spin_p99",
            "neighbour_fork_p99",
            "neighbour_hog_p99",
            "neighbour_echo_p99",
        ],
        run: |scale| Box::pin(neighbour::noisy(scale)),
    },
    Measurement {
        names: &["loopback_tcp", "loopback_rtt"],
        run: |scale| Box::pin(network::loopback(scale)),
    },
    Measurement {
        names: &[
            "serve_http",
            "serve_ws",
            "serve_rate",
            "serve_http_apart",
            "serve_ws_apart",
        ],
        run: |scale| Box::pin(serve::actions(scale)),
    },
    Measurement {
        names: &["serve_rivetkit_http", "serve_rivetkit_ws"],
        run: |scale| Box::pin(serve::compared(scale)),
    },
    Measurement {
        names: &["serve_wake", "serve_wake_read"],
        run: |scale| Box::pin(serve::wake(scale)),
    },
    Measurement {
        names: &["serve_write_4k", "serve_write_rate"],
        run: |scale| Box::pin(serve::writes(scale)),
    },
    Measurement {
        names: &["serve_burst200"],
        run: |scale| Box::pin(serve::burst(scale)),
    },
    Measurement {
        names: &["serve_events", "serve_events_p99"],
        run: |scale| Box::pin(serve::events(scale)),
    },
    Measurement {
        names: &["serve_sleeping_bytes", "serve_slept_bytes"],
        run: |scale| Box::pin(serve::sleeping(scale)),
    },
    Measurement {
        names: &["agents_create", "agents_event", "agents_prompt"],
        run: |scale| Box::pin(agents::sessions(scale)),
    },
    Measurement {
        names: &["agents_tool"],
        run: |scale| Box::pin(agents::tool(scale)),
    },
    Measurement {
        names: pi::NAMES,
        run: |scale| Box::pin(pi::rows(scale)),
    },
    Measurement {
        names: linux::CALL_NAMES,
        run: |scale| Box::pin(linux::calls(scale)),
    },
    Measurement {
        names: linux::PROGRAM_NAMES,
        run: |scale| Box::pin(linux::programs(scale)),
    },
    Measurement {
        names: linux::busy::NAMES,
        run: |scale| Box::pin(linux::busy::rows(scale)),
    },
    Measurement {
        names: linux::parked::NAMES,
        run: |scale| Box::pin(linux::parked::rows(scale)),
    },
    Measurement {
        names: &["lifecycle_slope_bytes"],
        run: |scale| Box::pin(memory::lifecycle(scale)),
    },
];

/// Runs the measurements and prints them.
pub(crate) fn main(args: &BenchArgs) -> Result<Exit, Error> {
    let scale = Scale {
        quick: args.quick,
        npm: !args.no_npm,
    };
    if let Some(url) = &args.client {
        return report::json(&crate::vm::runtime()?.block_on(serve::client(url, scale))?).map(|()| Exit::SUCCESS);
    }
    let known: Vec<&str> = MEASUREMENTS.iter().flat_map(|known| known.names).copied().collect();
    let is_group = |only: &str, name: &str| name.strip_prefix(only).is_some_and(|rest| rest.starts_with('_'));
    let names = |only: &str, name: &str| only == name || is_group(only, name);
    if let Some(only) = args
        .only
        .iter()
        .find(|only| !known.iter().any(|name| names(only, name)))
    {
        return Err(unknown(only, &known));
    }
    let wanted = |name: &&str| args.only.is_empty() || args.only.iter().any(|only| names(only, name));
    let runtime = crate::vm::runtime()?;
    runtime.block_on(prepare::programs(&AgentOs::builder()))?;
    let mut table = Table::default();
    let mut failed = None;
    for measurement in MEASUREMENTS
        .iter()
        .filter(|measurement| measurement.names.iter().any(wanted))
    {
        report::progress(&format!("measuring {}", measurement.names.join(", ")));
        // One that fails leaves the others their turn; the failure is told at the end.
        match runtime.block_on((measurement.run)(scale)) {
            Ok(rows) => table.rows.extend(rows.into_iter().filter(|row| wanted(&row.name))),
            Err(error) => {
                report::progress(&format!("agentos: {error}"));
                let names = measurement.names.iter().copied().filter(|name| wanted(name));
                let text = error.to_string();
                table
                    .rows
                    .extend(names.map(|name| Row::not_run(name, "", text.as_str())));
                failed = failed.or(Some(error));
            }
        }
    }
    if args.json {
        report::json(&table.to_json(&machine::describe()))?;
    } else {
        report::text(&table.to_string())?;
    }
    match failed {
        Some(error) => Err(error),
        None if args.check && table.rows.iter().any(|row| row.is_met() == Some(false)) => Ok(Exit::MISSED),
        None => Ok(Exit::SUCCESS),
    }
}

fn unknown(name: &str, known: &[&str]) -> Error {
    let distance = |known: &&&str| strsim::damerau_levenshtein(known, name);
    let nearest = known.iter().min_by_key(distance).copied().unwrap_or_default();
    Error::Usage(format!(
        "bench: unknown measurement {name:?} (did you mean {nearest}? known: {})",
        known.join(", ")
    ))
}
