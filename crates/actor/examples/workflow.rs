//! A coordinator that has two workers count words, in durable steps.
//!
//! ```text
//! cargo run -p agentos-actor --example workflow -- DIRECTORY [TEXT]
//! ```
//!
//! Interrupt it with `kill -9` at any moment and start it again with the same directory and without a text: the registry
//! finds that the coordinator has work, wakes it, and the workflow goes on where it was. Steps that were finished are not
//! done again: the workers, which are durable actors themselves, remember every call. One that was finished altogether has
//! left its outcome in the coordinator's state.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::path::PathBuf;
use std::sync::Arc;

use agentos_actor::workflow::Flow;
use agentos_actor::{
    ActionCall, ActionKind, Actor, ActorContext, ActorDefinition, Boot, BoxFuture, ConnectRequest, CreateOptions,
    Failure, Registry, Transport,
};
use agentos_value::{ActorError, Key, Value};
use tokio::sync::mpsc;

/// Counts words, and remembers what it was asked.
struct Worker;

impl ActorDefinition for Worker {
    fn action_kind(&self, name: &str) -> Option<ActionKind> {
        match name {
            "count" => Some(ActionKind::Awake),
            "calls" => Some(ActionKind::Stored),
            _ => None,
        }
    }

    fn boot<'a>(&'a self, _ctx: ActorContext, _boot: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(async { Ok(Arc::new(Worker) as Arc<dyn Actor>) })
    }

    fn stored_action<'a>(&'a self, ctx: ActorContext, _call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move { Ok(ctx.state()) })
    }
}

impl Actor for Worker {
    fn action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            let text = call.args.first().and_then(Value::as_str).unwrap_or_default();
            let words = Value::int(text.split_whitespace().count())?;
            ctx.update_state(|state| *state = Value::from(state.as_int().unwrap_or(0) + 1))?;
            Ok(words)
        })
    }
}

/// Splits a text, has its halves counted, and adds up.
#[derive(Clone)]
struct Coordinator {
    done: mpsc::UnboundedSender<i64>,
}

impl ActorDefinition for Coordinator {
    fn action_kind(&self, name: &str) -> Option<ActionKind> {
        match name {
            "start" => Some(ActionKind::Awake),
            "outcome" => Some(ActionKind::Stored),
            _ => None,
        }
    }

    fn boot<'a>(&'a self, ctx: ActorContext, _boot: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(async move {
            // What a crash interrupted goes on.
            for unfinished in ctx.workflows().unfinished()? {
                self.spawn(&ctx, unfinished.input.deserialize()?);
            }
            Ok(Arc::new(self.clone()) as Arc<dyn Actor>)
        })
    }

    fn stored_action<'a>(&'a self, ctx: ActorContext, _call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move { Ok(ctx.state()) })
    }
}

impl Actor for Coordinator {
    fn action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            let text = call.args.first().and_then(Value::as_str);
            let text = text.ok_or_else(|| ActorError::user("no_text", "give a text"))?;
            self.spawn(&ctx, text.to_owned());
            Ok(Value::Null)
        })
    }
}

impl Coordinator {
    /// Runs the workflow in the background; it keeps the actor awake.
    fn spawn(&self, ctx: &ActorContext, text: String) {
        let (ctx, done) = (ctx.clone(), self.done.clone());
        tokio::spawn(async move {
            match ctx.workflows().run("count", &text, count).await {
                Ok(words) => drop(done.send(words)),
                Err(error) => eprintln!("the workflow failed: {error}"),
            }
        });
    }
}

/// The workflow.
async fn count(flow: Flow, text: String) -> Result<i64, Failure> {
    let halves: (String, String) = flow.step("split", async { Ok(split(&text)) }).await?;
    println!("finished: split");
    let left = async {
        let words: i64 = flow.step("left", ask(&flow, "left", halves.0)).await?;
        println!("finished: left");
        Ok::<_, Failure>(words)
    };
    let right = async {
        let words: i64 = flow.step("right", ask(&flow, "right", halves.1)).await?;
        println!("finished: right");
        Ok::<_, Failure>(words)
    };
    let (left, right) = tokio::try_join!(left, right)?;
    let sum = async {
        // Before the step is finished, so that a finished one has left it in any case.
        flow.ctx().update_state(|state| *state = Value::from(left + right))?;
        Ok(left + right)
    };
    let sum = flow.step("sum", sum).await?;
    println!("finished: sum");
    Ok(sum)
}

/// Has a worker count the words of a text.
async fn ask(flow: &Flow, worker: &str, text: String) -> Result<i64, Failure> {
    let client = flow.ctx().client();
    let worker = client.get_or_create("worker", &Key::new([worker]), Value::Null).await?;
    let words = client
        .call(&worker, Value::Null, "count", vec![Value::from(text)])
        .await?;
    Ok(words.as_int().unwrap_or(0))
}

fn split(text: &str) -> (String, String) {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (left, right) = words.split_at(words.len() / 2);
    (left.join(" "), right.join(" "))
}

/// Starts the workflow with `text`, or waits for one that was interrupted; returns the number of words.
pub(crate) async fn run(directory: PathBuf, text: Option<String>) -> Result<i64, Box<dyn std::error::Error>> {
    let (done, mut results) = mpsc::unbounded_channel();
    let registry = Registry::builder()
        .define("worker", Worker)
        .define("coordinator", Coordinator { done })
        .data_dir(directory)
        .build()?;
    let (coordinator, _) = registry
        .get_or_create("coordinator", &Key::new(["main"]), CreateOptions::default())
        .await?;
    // What is answered from storage wakes nobody.
    let (action, args) = match text {
        Some(text) => ("start", vec![Value::from(text)]),
        None => ("outcome", vec![]),
    };
    let before = registry
        .call(&coordinator.id, ConnectRequest::new(Transport::Http), action, args)
        .await?;
    let words = match before.as_int() {
        Some(words) => words,
        None => results.recv().await.ok_or("the coordinator is gone")?,
    };
    for key in ["left", "right"] {
        let worker = registry.get("worker", &Key::new([key]))?.ok_or("a worker is gone")?;
        let connection = registry
            .connect(&worker.id, ConnectRequest::new(Transport::Internal))
            .await?;
        let calls = connection.call("calls", vec![]).await?;
        println!("calls of {key}: {}", calls.as_int().unwrap_or(0));
    }
    registry.drain().await;
    Ok(words)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("usage: workflow DIRECTORY [TEXT]")?;
    let words = run(directory.into(), arguments.next()).await?;
    println!("words: {words}");
    Ok(())
}
