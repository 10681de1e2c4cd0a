//! The log: where records go, and in what form.
//!
//! Records go to standard error, as text for people or as JSON lines for machines. `RUST_LOG` filters as usual; without it
//! everything from `info` upwards of our own crates, and warnings of others. The audit trail has the target `audit`.

use std::str::FromStr;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("must be \"text\" or \"json\"".to_owned()),
        }
    }
}

/// What is logged unless `RUST_LOG` says otherwise.
const FILTER: &str =
    "warn,agentos=info,audit=info,agentos_actor=info,agentos_gateway=info,agentos_server=info,agentos_store=info";

/// Sends the records of this process to standard error, and its spans to the collector that the environment names
/// (`OTEL_EXPORTER_OTLP_ENDPOINT`), which needs a tokio runtime. A process that has set a log up already keeps that.
pub fn init(format: LogFormat) {
    init_with_traces(format, None);
}

/// The same, with a collector of OTLP over HTTP given by its address, such as `http://127.0.0.1:4318/v1/traces`.
pub fn init_with_traces(format: LogFormat, collector: Option<&str>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(FILTER));
    let traces = crate::traces::start(collector).map(|tracer| tracing_opentelemetry::layer().with_tracer(tracer));
    let (text, json) = match format {
        LogFormat::Text => (Some(fmt::layer().with_writer(std::io::stderr).with_ansi(false)), None),
        LogFormat::Json => (
            None,
            Some(fmt::layer().with_writer(std::io::stderr).json().flatten_event(true)),
        ),
    };
    // Fails only where somebody else was first.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(traces)
        .with(text)
        .with(json)
        .try_init();
}
