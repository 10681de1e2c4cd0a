//! `session events`: what was said and done in a session, from its beginning or a place in it.

use super::args::EventsArgs;
use super::{lines, told};
use crate::error::{Error, Exit};
use crate::report;
use crate::signals::Ending;
use agentos_client::{Value, Vm};
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// Events that are asked for at a time.
const PAGE: i64 = 500;

/// An event with its number.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Numbered {
    sequence_number: i64,
    notification: Json,
}

/// Prints them; with `--follow` until interrupted.
pub(super) async fn run(args: &EventsArgs) -> Result<Exit, Error> {
    let vm = super::super::vm(&args.target).await?;
    if !args.follow {
        catch_up(args, &vm, args.after.map(i64::from)).await?;
        return Ok(Exit::SUCCESS);
    }
    // What comes while the past is read is not missed, and not printed twice.
    let connection = vm.connect().await?;
    let mut coming = connection.on("sessionEvent").await?;
    let mut last = catch_up(args, &vm, args.after.map(i64::from)).await?;
    let mut ending = Ending::watch()?;
    loop {
        let event = tokio::select! {
            event = coming.next() => event,
            number = ending.next() => return Ok(Exit::signal(number)),
        };
        let is_it = match event {
            None => return Ok(Exit::SUCCESS),
            // What was missed is in the storage.
            Some(Err(_)) => true,
            Some(Ok(payload)) => {
                payload
                    .first()
                    .and_then(|one| one.get("sessionId"))
                    .and_then(Value::as_str)
                    == Some(&args.id)
            }
        };
        if is_it {
            last = catch_up(args, &vm, last).await?;
        }
    }
}

/// Prints what is stored after a number; gives the last number.
async fn catch_up(args: &EventsArgs, vm: &Vm, mut after: Option<i64>) -> Result<Option<i64>, Error> {
    loop {
        let mut query = vec![("limit", Value::from(PAGE))];
        query.extend(after.map(|after| ("after", Value::from(after))));
        let words = [Value::from(args.id.clone()), Value::object(query)];
        let page: Vec<Numbered> = vm.call_as("getSequencedEvents", &words).await?;
        let Some(last) = page.last() else {
            return Ok(after);
        };
        after = Some(last.sequence_number);
        for event in &page {
            print(args.target.json, event)?;
        }
    }
}

fn print(as_json: bool, event: &Numbered) -> Result<(), Error> {
    let Numbered {
        sequence_number: number,
        notification,
    } = event;
    if as_json {
        return report::json(&json!({ "sequenceNumber": number, "notification": notification }));
    }
    let update = notification["params"]["update"]["sessionUpdate"].as_str();
    let kind = update.or_else(|| notification["method"].as_str()).unwrap_or("-");
    let text = match kind {
        "user_message_chunk" => lines(&notification["params"]["update"]["content"]["text"]),
        _ => told(notification),
    };
    report::text(&format!(
        "{number} {} {}\n",
        crate::chat::safe(kind),
        text.trim().replace('\n', " ")
    ))
}
