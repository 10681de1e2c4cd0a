//! `events`: what happens in a VM, as it happens.

use super::args::EventsArgs;
use crate::error::{Error, Exit};
use crate::report;
use crate::signals::Ending;
use agentos_client::{Connection, Value};
use serde_json::json;
use tokio::sync::mpsc;

/// The events of a VM (api.md section 5.2).
const EVENTS: [&str; 13] = [
    "sessionEvent",
    "permissionRequest",
    "permissionResolved",
    "processOutput",
    "processExit",
    "shellData",
    "shellExit",
    "cronEvent",
    "vmBooted",
    "vmShutdown",
    "agentCrashed",
    "limitWarning",
    "streamError",
];
/// Lines that wait for the terminal.
const LINES: usize = 256;

/// Prints events, one line of JSON each, until interrupted or closed.
pub(super) async fn follow(args: &EventsArgs) -> Result<Exit, Error> {
    if let Some(unknown) = args.events.iter().find(|name| !EVENTS.contains(&name.as_str())) {
        return Err(Error::Usage(format!(
            "events: no event is called {unknown:?}; there are {}",
            EVENTS.join(", ")
        )));
    }
    let connection = super::vm(&args.target).await?.connect().await?;
    let (lines, mut printed) = mpsc::channel(LINES);
    let all: Vec<String> = EVENTS.iter().map(|name| (*name).to_owned()).collect();
    for name in if args.events.is_empty() { &all } else { &args.events } {
        tokio::spawn(pass_on(connection.clone(), name.clone(), lines.clone()));
    }
    drop((connection, lines));
    let mut ending = Ending::watch()?;
    loop {
        tokio::select! {
            line = printed.recv() => match line {
                Some(line) => report::text(&line?)?,
                None => return Ok(Exit::SUCCESS),
            },
            number = ending.next() => return Ok(Exit::signal(number)),
        }
    }
}

async fn pass_on(connection: Connection, name: String, lines: mpsc::Sender<Result<String, Error>>) {
    let mut events = match connection.on(&name).await {
        Ok(events) => events,
        Err(error) => {
            let _ = lines.send(Err(error.into())).await;
            return;
        }
    };
    drop(connection);
    while let Some(event) = events.next().await {
        let line = match event {
            Ok(args) => json!({"event": name, "payload": readable(args.first())}),
            Err(lagged) => json!({"event": name, "missed": lagged.0}),
        };
        if lines.send(Ok(format!("{line}\n"))).await.is_err() {
            return;
        }
    }
}

/// The payload as JSON; bytes as text, with replacements for what is none.
fn readable(value: Option<&Value>) -> serde_json::Value {
    match value {
        None => serde_json::Value::Null,
        Some(Value::Bytes(bytes) | Value::ArrayBuffer(bytes)) => String::from_utf8_lossy(bytes).into(),
        Some(Value::Array(items)) => items.iter().map(|item| readable(Some(item))).collect(),
        Some(Value::Object(members)) => members
            .iter()
            .map(|(name, member)| (name.to_owned(), readable(Some(member))))
            .collect(),
        Some(other) => other.clone().deserialize().unwrap_or(serde_json::Value::Null),
    }
}
