//! Events for a thousand connections.
//!
//! One actor tells all of its connections the time, ten times a second: a thousand messages fall due at the same instant,
//! which is harder than the same number spread over the second. What is measured is the time from just before the event is
//! handed to the runtime until a client's task has the decoded value. The clients are tasks of this process, one for each
//! socket and one for each reader, so that both ends read the same clock; they take their share of the same cores.

use super::House;
use crate::bench::Scale;
use crate::bench::row::Row;
use crate::error::Error;
use agentos_client::{Connection, Events, Handle, Value};
use agentos_server::Failure;
use agentos_server::actor::{ActionCall, ActionKind, Actor, ActorContext, ActorDefinition, Boot, BoxFuture};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 1000;
const A_SECOND: u32 = 10;
/// Open files beside two for each connection.
const OTHER_FILES: u64 = 200;
/// Longest wait for one event.
const PATIENCE: Duration = Duration::from_secs(30);

/// An actor whose action `tell` sends an event with the time and a number to everybody; `nothing` does nothing.
struct Teller;

impl ActorDefinition for Teller {
    fn action_kind(&self, name: &str) -> Option<ActionKind> {
        matches!(name, "tell" | "nothing").then_some(ActionKind::Awake)
    }

    fn boot<'a>(&'a self, _: ActorContext, _: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(async { Ok(Arc::new(Self) as Arc<dyn Actor>) })
    }
}

impl Actor for Teller {
    fn action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            if let Some(number) = call.args.into_iter().next() {
                ctx.broadcast("told", vec![Value::from(now_us()), number]);
            }
            Ok(Value::Null)
        })
    }
}

/// Microseconds of this process.
fn now_us() -> i64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = START.get_or_init(Instant::now);
    i64::try_from(start.elapsed().as_micros()).unwrap_or(i64::MAX)
}

/// `serve_events`: how long an event takes to each of 1,000 connections that get ten a second; `serve_events_p99`.
pub(crate) async fn events(scale: Scale) -> Result<Vec<Row>, Error> {
    if let Err(why) = allow_files(CONNECTIONS as u64 * 2 + OTHER_FILES) {
        let row = |name| Row::not_run(name, "us", why.as_str());
        return Ok(vec![row("serve_events"), row("serve_events_p99")]);
    }
    let house = House::with(|registry| registry.actor("teller", Teller)).await?;
    let teller = house.client.actor("teller").get_or_create(["one"]).await?;
    let rounds = scale.of(100);
    let speaker = teller.connect().await?;
    let listeners = (0..CONNECTIONS).map(|_| tokio::spawn(listener(teller.clone())));
    let listeners = super::all(listeners.collect()).await?;
    let (listeners, readers): (Vec<_>, Vec<_>) = listeners.into_iter().unzip();
    let readers = readers.into_iter().map(|reader| tokio::spawn(listen(reader, rounds)));
    let readers = readers.collect();
    let mut beat = tokio::time::interval(Duration::from_secs(1) / A_SECOND);
    for round in 0..rounds {
        beat.tick().await;
        speaker.call("tell", vec![Value::from(round as i64)]).await?;
    }
    let times: Vec<f64> = super::all(readers).await?.into_iter().flatten().collect();
    drop(listeners);
    speaker.close().await;
    house.end().await;
    let row = Row::new("serve_events", "us", times);
    let p99 = row.percentile(99.0);
    Ok(vec![row, Row::new("serve_events_p99", "us", vec![p99]).goal(50_000.0)])
}

/// A connection that has subscribed. A connection's messages are taken in order, so the answer to its action says that the
/// subscription before has been seen.
async fn listener(teller: Handle) -> Result<(Connection, Events), Error> {
    let connection = teller.connect().await?;
    let events = connection.on("told").await?;
    connection.call("nothing", Vec::new()).await?;
    Ok((connection, events))
}

/// How long each event took to one reader; an event that does not come is an error.
async fn listen(mut events: Events, rounds: usize) -> Result<Vec<f64>, Error> {
    let lost = |what: String| Error::Usage(format!("bench: a connection lost events: {what}"));
    let mut times = Vec::with_capacity(rounds);
    while times.len() < rounds {
        let event = tokio::time::timeout(PATIENCE, events.next()).await;
        let event = event.map_err(|_| lost(format!("only {} of {rounds} came", times.len())))?;
        let args = match event {
            Some(Ok(args)) => args,
            Some(Err(lagged)) => return Err(lost(lagged.to_string())),
            None => return Err(lost("it was closed".to_owned())),
        };
        let sent = args.first().and_then(Value::as_int).unwrap_or_default();
        if args.get(1).and_then(Value::as_int) != i64::try_from(times.len()).ok() {
            return Err(lost(format!("{:?} came as number {}", args.get(1), times.len())));
        }
        times.push((now_us() - sent) as f64);
    }
    Ok(times)
}

/// Lets this process open as many files, where it may.
fn allow_files(count: u64) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= count) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(count),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised)
        .map_err(|error| format!("{count} open files are needed, {limit:?} are allowed: {error}"))
}
