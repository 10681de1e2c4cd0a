//! The log: where records go, and in what form.
//!
//! Records go to standard error, as text for people or as JSON lines for machines. `RUST_LOG` filters as usual; without it
//! everything from `info` upwards of our own crates, and warnings of others. The audit trail has the target `audit`.

use std::str::FromStr;
use tracing_subscriber::EnvFilter;

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

/// Sends the records of this process to standard error. A process that has set a log up already keeps that.
pub fn init(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(FILTER));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Fails only where somebody else was first.
    let _ = match format {
        LogFormat::Text => subscriber.with_ansi(false).try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
}
