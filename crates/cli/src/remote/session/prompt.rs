//! `session prompt`: a prompt, and what comes of it while it runs.

use super::args::PromptArgs;
use super::{request_line, told};
use crate::error::{Error, Exit};
use crate::report;
use crate::signals::Ending;
use agentos_client::{Connection, Events, Value};
use serde_json::{Value as Json, json};
use std::io::Read as _;

/// Bytes of standard input that are taken for a prompt, at most.
const TEXT_MAX: u64 = 4 << 20;

/// Prompts, and prints until the prompt has ended. A signal cancels it.
pub(super) async fn run(args: &PromptArgs) -> Result<Exit, Error> {
    let text = match &args.text {
        Some(text) => text.clone(),
        None => input()?,
    };
    let connection = super::super::vm(&args.target).await?.connect().await?;
    let mut shown = Shown {
        id: args.id.clone(),
        json: args.target.json,
        events: connection.on("sessionEvent").await?,
        requests: connection.on("permissionRequest").await?,
    };
    let mut words = vec![Value::from(args.id.clone()), Value::from(text)];
    if let Some(timeout) = args.timeout {
        words.push(Value::object([(
            "timeoutMs",
            Value::number(timeout.as_secs_f64() * 1000.0),
        )]));
    }
    let mut ending = Ending::watch()?;
    let mut prompt = std::pin::pin!(connection.call("sendPrompt", words));
    let mut cancelled = None;
    let result = loop {
        tokio::select! {
            biased;
            more = shown.next() => more?,
            result = &mut prompt => break super::json_of(result?)?,
            number = ending.next() => match cancelled {
                // Whoever asks twice does not want to wait.
                Some(_) => return Ok(Exit::signal(number)),
                None => {
                    cancelled = Some(number);
                    cancel(&connection, &args.id);
                }
            },
        }
    };
    // The events of a prompt were there before its result.
    while let Some(more) =
        tokio::select! { biased; more = shown.next() => Some(more), () = std::future::ready(()) => None }
    {
        more?;
    }
    if args.target.json {
        report::json(&result)?;
    } else {
        report::text("\n")?;
        if let Some(message) = result["response"]["error"]["message"].as_str() {
            report::progress(&crate::chat::safe(message));
        }
    }
    let failed = !result["response"]["error"].is_null();
    Ok(match (cancelled, failed) {
        (Some(number), _) => Exit::signal(number),
        (None, true) => Exit::MISSED,
        (None, false) => Exit::SUCCESS,
    })
}

/// Asks for the end, which the prompt's own result then tells.
fn cancel(connection: &Connection, id: &str) {
    let (connection, id) = (connection.clone(), Value::from(id.to_owned()));
    tokio::spawn(async move { connection.call("cancelPrompt", [id]).await });
}

/// What is printed meanwhile.
struct Shown {
    id: String,
    json: bool,
    events: Events,
    requests: Events,
}

impl Shown {
    /// Waits for something and prints it.
    async fn next(&mut self) -> Result<(), Error> {
        let (name, event) = tokio::select! {
            biased;
            event = self.events.next() => ("sessionEvent", event),
            event = self.requests.next() => ("permissionRequest", event),
        };
        match event {
            // The call itself says why the connection is closed.
            None => std::future::pending().await,
            Some(Err(lagged)) => report::progress(&format!("{name}: {lagged}")),
            Some(Ok(payload)) => {
                let payload = payload.first().cloned().map_or(Ok(Json::Null), super::json_of)?;
                if payload["sessionId"].as_str() == Some(&self.id) {
                    self.print(name, &payload)?;
                }
            }
        }
        Ok(())
    }

    fn print(&self, name: &str, payload: &Json) -> Result<(), Error> {
        match (self.json, name) {
            (true, _) => report::json(&json!({ "event": name, "payload": payload })),
            (false, "permissionRequest") => {
                let line = request_line(&payload["request"]);
                report::progress(&format!(
                    "waits for an answer (agentos session approve ID REQUEST once|always|reject):\n{}",
                    line.trim_end()
                ));
                Ok(())
            }
            (false, _) => report::text(&told(&payload["event"])),
        }
    }
}

/// Standard input to its end.
fn input() -> Result<String, Error> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(TEXT_MAX + 1)
        .read_to_string(&mut text)
        .map_err(Error::host("standard input"))?;
    match text.len() as u64 > TEXT_MAX {
        true => Err(Error::Usage(format!("a prompt has at most {TEXT_MAX} bytes"))),
        false => Ok(text),
    }
}
