//! Workflows: steps once, outcomes kept, sleeps that survive, names that collide.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentos_value::{ActorError, ActorId, Key};
use tokio::sync::mpsc;

use super::*;
use crate::clock::ManualClock;
use crate::{
    ActionCall, ActionKind, Actor, ActorDefinition, Boot, BoxFuture, ConnectRequest, CreateOptions, Registry, Transport,
};

/// An actor whose workflows the test runs: each boot hands its context over.
struct Host(mpsc::UnboundedSender<ActorContext>);

impl ActorDefinition for Host {
    fn action_kind(&self, _name: &str) -> Option<ActionKind> {
        Some(ActionKind::Awake)
    }

    fn boot<'a>(&'a self, ctx: ActorContext, _boot: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        self.0.send(ctx).unwrap();
        Box::pin(async { Ok(Arc::new(Idle) as Arc<dyn Actor>) })
    }
}

struct Idle;

impl Actor for Idle {
    fn action<'a>(&'a self, _ctx: ActorContext, _call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async { Ok(Value::Null) })
    }
}

struct Fixture {
    registry: Registry,
    clock: ManualClock,
    contexts: mpsc::UnboundedReceiver<ActorContext>,
    id: ActorId,
}

impl Fixture {
    async fn new(directory: &Path) -> Self {
        let (sender, contexts) = mpsc::unbounded_channel();
        let clock = ManualClock::at(1000);
        let builder = Registry::builder().define("host", Host(sender)).clock(clock.clone());
        let registry = builder.data_dir(directory).build().unwrap();
        let made = registry
            .get_or_create("host", &Key::new(["k"]), CreateOptions::default())
            .await
            .unwrap();
        Self {
            registry,
            clock,
            contexts,
            id: made.0.id,
        }
    }

    /// The context of a generation that is awake.
    async fn boot(&mut self) -> ActorContext {
        let connection = self
            .registry
            .connect(&self.id, ConnectRequest::new(Transport::Internal))
            .await
            .unwrap();
        connection.call("wake", vec![]).await.unwrap();
        self.contexts.recv().await.unwrap()
    }
}

fn code(failure: Failure) -> String {
    match failure {
        Failure::Public(error) => error.code.into_owned(),
        Failure::Internal(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_finished_workflow_is_not_run_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(directory.path()).await;
    let ctx = fixture.boot().await;
    let runs = AtomicUsize::new(0);
    let work = async |flow: Flow, input: i64| {
        runs.fetch_add(1, Ordering::Relaxed);
        let doubled: i64 = flow.step("double", async { Ok(input * 2) }).await?;
        flow.step("add", async { Ok(doubled + 1) }).await
    };
    assert_eq!(ctx.workflows().run("w", &4_i64, work).await.unwrap(), 9_i64);
    fixture.registry.sleep(&fixture.id).await.unwrap();
    let ctx = fixture.boot().await;
    assert_eq!(ctx.workflows().run("w", &5_i64, work).await.unwrap(), 9_i64);
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert!(ctx.workflows().unfinished().unwrap().is_empty());
    assert!(ctx.workflows().forget("w").await.unwrap());
    assert_eq!(ctx.workflows().run("w", &5_i64, work).await.unwrap(), 11_i64);
}

#[tokio::test]
async fn an_error_for_clients_ends_a_workflow_and_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(directory.path()).await;
    let ctx = fixture.boot().await;
    let refuse = async |_: Flow, (): ()| -> Result<(), Failure> {
        Err(ActorError::user("no", "No.")
            .with_metadata(Value::object([("why", "because")]))
            .into())
    };
    let first = ctx.workflows().run("w", &(), refuse).await.unwrap_err();
    let again = ctx
        .workflows()
        .run("w", &(), async |_: Flow, (): ()| Ok::<(), Failure>(()))
        .await
        .unwrap_err();
    let (Failure::Public(first), Failure::Public(again)) = (first, again) else {
        panic!()
    };
    assert_eq!(first, again);
    // An internal error does not end it.
    let break_down = async |_: Flow, (): ()| -> Result<(), Failure> { Err(Failure::internal("broken")) };
    ctx.workflows().run("v", &(), break_down).await.unwrap_err();
    assert_eq!(ctx.workflows().unfinished().unwrap()[0].name, "v");
    ctx.workflows()
        .run("v", &(), async |_: Flow, (): ()| Ok::<(), Failure>(()))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_workflow_that_is_cut_short_goes_on_with_its_input_and_results() {
    let directory = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(directory.path()).await;
    let ctx = fixture.boot().await;
    let firsts = Arc::new(AtomicUsize::new(0));
    let task = {
        let (ctx, firsts) = (ctx.clone(), firsts.clone());
        tokio::spawn(async move {
            let work = async |flow: Flow, input: String| -> Result<String, Failure> {
                let first: String = flow
                    .step("first", async {
                        firsts.fetch_add(1, Ordering::Relaxed);
                        Ok(input + "!")
                    })
                    .await?;
                flow.sleep("nap", Duration::from_secs(3600)).await?;
                Ok(first)
            };
            ctx.workflows().run("w", &"hello".to_owned(), work).await
        })
    };
    // Until it naps: both steps are stored.
    while WorkflowTable::new(ctx.database()).steps("w").unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        fixture.registry.status(&fixture.id).unwrap().awake_because,
        ["workflow:w"]
    );
    let twice = ctx
        .workflows()
        .run("w", &(), async |_: Flow, (): ()| Ok::<(), Failure>(()))
        .await;
    assert_eq!(code(twice.unwrap_err()), "workflow_running");
    assert_eq!(code(ctx.workflows().forget("w").await.unwrap_err()), "workflow_running");
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    fixture.clock.advance(Duration::from_secs(600));
    let unfinished = ctx.workflows().unfinished().unwrap().remove(0);
    assert_eq!(
        (unfinished.name.as_str(), unfinished.input, unfinished.started_at_ms),
        ("w", Value::from("hello"), 1000)
    );
    let again = {
        let (ctx, firsts) = (ctx.clone(), firsts.clone());
        tokio::spawn(async move {
            let work = async |flow: Flow, input: String| -> Result<String, Failure> {
                let first: String = flow
                    .step("first", async {
                        firsts.fetch_add(1, Ordering::Relaxed);
                        Ok(input)
                    })
                    .await?;
                flow.sleep("nap", Duration::from_secs(3600)).await?;
                Ok(first + "?")
            };
            ctx.workflows().run("w", &"ignored".to_owned(), work).await
        })
    };
    // A part of the nap is over already: the rest is waited for, and no more.
    while fixture.registry.status(&fixture.id).unwrap().awake_because != ["workflow:w"] {
        tokio::task::yield_now().await;
    }
    fixture.clock.advance(Duration::from_secs(2999));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!again.is_finished());
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(again.await.unwrap().unwrap(), "hello!?");
    assert_eq!(firsts.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn names_are_used_once_in_a_run_and_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(directory.path()).await;
    let ctx = fixture.boot().await;
    let twice = async |flow: Flow, (): ()| -> Result<(), Failure> {
        flow.step("a", async { Ok(()) }).await?;
        flow.step("a", async { Ok(()) }).await
    };
    assert!(code(ctx.workflows().run("w", &(), twice).await.unwrap_err()).contains("twice"));
    // A step that failed may be tried again.
    let tries = AtomicUsize::new(0);
    let retry = async |flow: Flow, (): ()| -> Result<usize, Failure> {
        loop {
            let tried = flow
                .step("b", async {
                    let count = tries.fetch_add(1, Ordering::Relaxed);
                    if count < 2 {
                        Err(Failure::internal("not yet"))
                    } else {
                        Ok(count)
                    }
                })
                .await;
            if tried.is_ok() {
                return tried;
            }
        }
    };
    assert_eq!(ctx.workflows().run("v", &(), retry).await.unwrap(), 2);
    let nothing = async |_: Flow, (): ()| Ok::<(), Failure>(());
    assert_eq!(
        code(ctx.workflows().run("", &(), nothing).await.unwrap_err()),
        "invalid_argument"
    );
    assert_eq!(
        code(ctx.workflows().run(&"x".repeat(257), &(), nothing).await.unwrap_err()),
        "invalid_argument"
    );
    let large = "x".repeat(2 << 20);
    let input = async |_: Flow, _: String| Ok::<(), Failure>(());
    assert_eq!(
        code(ctx.workflows().run("u", &large, input).await.unwrap_err()),
        "limit_exceeded"
    );
}
