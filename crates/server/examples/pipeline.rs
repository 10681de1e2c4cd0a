//! A coordinator that has two VMs work for each other, in durable steps.
//!
//! ```text
//!   coordinator ── make ──► VM "maker"     writes numbers.txt, by commands
//!               ── carry ─► maker ──► VM "counter"                the file goes from one to the other
//!               ── count ─► VM "counter"   adds the numbers up, by commands
//!               ── report ► VM "maker"     gets a report
//! ```
//!
//! ```sh
//! cargo run -p agentos-server --example pipeline -- DIRECTORY [COUNT [STOP]]
//! ```
//!
//! Interrupt it with `kill -9` at any moment and start it again with the same directory and without a count: the registry finds
//! that the coordinator has work, wakes it, and the workflow goes on where it was. With a `STOP` it goes no further than the
//! line with that text (`half: make`), so that there is time to kill it there. A finished step is not done again, and what
//! it left in a VM's files is there; a step that was cut short is done again from its beginning.
//!
//! Two things make that so. A step ends with `sync` where its commands write files: what a *client* writes is durable when the
//! call returns, what a *command* writes within a second, or at once if it asks. And a step bears repetition: it makes its file
//! under another name and renames it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use agentos_server::actor::workflow::Flow;
use agentos_server::actor::{
    ActionCall, ActionKind, Actor, ActorContext, ActorDefinition, Boot, BoxFuture, ConnectRequest, CreateOptions,
    Transport,
};
use agentos_server::{ActorError, Failure, Registry, Value, VmDefinition};
use agentos_value::Key;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;

/// The line at which it goes no further.
pub(crate) static STOP: OnceLock<String> = OnceLock::new();

/// Says how far it is.
async fn say(line: String) {
    println!("{line}");
    if STOP.get() == Some(&line) {
        std::future::pending::<()>().await;
    }
}

/// One of the two VMs, as the workflow sees it.
struct Vm<'a> {
    flow: &'a Flow,
    key: &'static str,
}

impl Vm<'_> {
    /// Calls an action of the VM, which is made or woken if need be.
    async fn call(&self, action: &str, args: Vec<Value>) -> Result<Value, Failure> {
        let client = self.flow.ctx().client();
        let id = client.get_or_create("vm", &Key::new([self.key]), Value::Null).await?;
        Ok(client.call(&id, Value::Null, action, args).await?)
    }

    /// Runs a command line and gives what it says.
    async fn exec(&self, command: impl Into<String>) -> Result<String, Failure> {
        let result = self.call("exec", vec![Value::from(command.into())]).await?;
        let text = |name| result.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match result.get("exitCode").and_then(Value::as_int) {
            Some(0) => Ok(text("stdout")),
            _ => Err(Failure::internal(text("stderr"))),
        }
    }
}

/// The workflow: how many numbers there are, and their sum.
async fn pipeline(flow: Flow, count: i64) -> Result<(i64, i64), Failure> {
    let [maker, counter] = ["maker", "counter"].map(|key| Vm { flow: &flow, key });
    step(&flow, "make", make(&maker, count)).await?;
    step(&flow, "carry", carry(&maker, &counter)).await?;
    let (lines, sum): (i64, i64) = step(&flow, "count", count_up(&counter)).await?;
    let report = format!("{lines} numbers, sum {sum}\n");
    step(&flow, "report", async {
        let args = vec![Value::from("/home/user/report.txt"), Value::from(report)];
        maker.call("writeFile", args).await.map(drop)
    })
    .await?;
    Ok((lines, sum))
}

/// A durable step that says when it begins and when it is finished.
async fn step<T: serde::Serialize + serde::de::DeserializeOwned>(
    flow: &Flow,
    name: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let result = flow
        .step(name, async {
            say(format!("begun: {name}")).await;
            let result = work.await;
            say(format!("done: {name}")).await;
            result
        })
        .await?;
    say(format!("finished: {name}")).await;
    Ok(result)
}

/// Has commands write the numbers from 1 to `count`, in two halves.
async fn make(maker: &Vm<'_>, count: i64) -> Result<(), Failure> {
    let half = count / 2;
    maker
        .exec(format!("echo make >> steps.log && seq 1 {half} > numbers.new && sync"))
        .await?;
    say("half: make".to_owned()).await;
    let rest = format!(
        "seq {} {count} >> numbers.new && mv numbers.new numbers.txt && sync",
        half + 1
    );
    maker.exec(rest).await.map(drop)
}

/// Takes the file from one VM to the other. Actions on files are durable when they return.
async fn carry(maker: &Vm<'_>, counter: &Vm<'_>) -> Result<(), Failure> {
    let content = maker
        .call("readFile", vec![Value::from("/home/user/numbers.txt")])
        .await?;
    say("half: carry".to_owned()).await;
    let args = vec![Value::from("/home/user/numbers.txt"), content];
    counter.call("writeFile", args).await.map(drop)
}

/// Has commands add the numbers up.
async fn count_up(counter: &Vm<'_>) -> Result<(i64, i64), Failure> {
    counter.exec("echo count >> steps.log && sync").await?;
    say("half: count".to_owned()).await;
    let said = counter
        .exec("awk '{ sum += $1 } END { print NR, sum }' numbers.txt")
        .await?;
    let mut numbers = said.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(lines)), Some(Ok(sum))) => Ok((lines, sum)),
        _ => Err(Failure::internal(format!("not two numbers: {said:?}"))),
    }
}

/// The actor that runs the workflow, and goes on with it when it is woken.
#[derive(Clone)]
struct Coordinator {
    done: mpsc::UnboundedSender<(i64, i64)>,
}

impl Coordinator {
    /// Runs the workflow in the background; it keeps the actor awake.
    fn run(&self, ctx: &ActorContext, count: i64) {
        let (ctx, done) = (ctx.clone(), self.done.clone());
        tokio::spawn(async move {
            match ctx.workflows().run("pipeline", &count, pipeline).await {
                Ok(result) => drop(done.send(result)),
                Err(error) => eprintln!("the workflow failed: {error}"),
            }
        });
    }
}

impl ActorDefinition for Coordinator {
    fn action_kind(&self, name: &str) -> Option<ActionKind> {
        (name == "start").then_some(ActionKind::Awake)
    }

    fn boot<'a>(&'a self, ctx: ActorContext, _boot: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(async move {
            // What a crash interrupted goes on.
            for unfinished in ctx.workflows().unfinished()? {
                self.run(&ctx, unfinished.input.deserialize()?);
            }
            Ok(Arc::new(self.clone()) as Arc<dyn Actor>)
        })
    }
}

impl Actor for Coordinator {
    fn action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            let count = call.args.first().and_then(Value::as_int);
            let count = count.ok_or_else(|| ActorError::user("no_count", "say how many numbers"))?;
            self.run(&ctx, count);
            Ok(Value::Null)
        })
    }
}

/// Calls an action of an actor from outside.
async fn ask(registry: &Registry, name: &str, key: &str, action: &str, arg: Value) -> Result<Value, ActorError> {
    let actors = registry.actors();
    let (actor, _) = actors
        .get_or_create(name, &Key::new([key]), CreateOptions::default())
        .await?;
    actors
        .call(&actor.id, ConnectRequest::new(Transport::Internal), action, vec![arg])
        .await
}

/// Starts the workflow for `count` numbers, or waits for one that was interrupted; gives how many there are, and their sum.
pub(crate) async fn run(directory: PathBuf, count: Option<i64>) -> Result<(i64, i64), Box<dyn std::error::Error>> {
    let (done, mut results) = mpsc::unbounded_channel();
    let registry = Registry::builder()
        .vm("vm", VmDefinition::default())
        .actor("coordinator", Coordinator { done })
        .data_dir(directory)
        .build()?;
    if let Some(count) = count {
        ask(&registry, "coordinator", "main", "start", Value::from(count)).await?;
    }
    let result = results.recv().await.ok_or("the coordinator is gone")?;
    for (key, step) in [("maker", "make"), ("counter", "count")] {
        let command = format!("grep -c {step} steps.log");
        let runs = ask(&registry, "vm", key, "exec", Value::from(command)).await?;
        print!(
            "runs of {step}: {}",
            runs.get("stdout").and_then(Value::as_str).unwrap_or_default()
        );
    }
    let report = ask(&registry, "vm", "maker", "exec", Value::from("cat report.txt")).await?;
    print!(
        "report: {}",
        report.get("stdout").and_then(Value::as_str).unwrap_or_default()
    );
    registry.actors().drain().await;
    Ok(result)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("usage: pipeline DIRECTORY [COUNT]")?;
    let count = arguments.next().map(|count| count.parse()).transpose()?;
    if let Some(line) = arguments.next() {
        STOP.set(line)?;
    }
    let (lines, sum) = run(directory.into(), count).await?;
    println!("{lines} numbers, sum {sum}");
    Ok(())
}
