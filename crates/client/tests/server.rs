//! The client against a real gateway: one counter, over HTTP and WebSocket, with losses, refusals and bytes.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, missing_docs)]

use agentos_actor::{
    ActionCall, ActionKind, Actor, ActorContext, ActorDefinition, Boot, BoxFuture, Failure, HookContext, Registry,
};
use agentos_client::{ActorError, Client, Connection, Error, Status, Value};
use agentos_gateway::{Gateway, Running, bind};
use std::sync::Arc;
use std::time::Duration;

struct Counter;

impl ActorDefinition for Counter {
    fn action_kind(&self, name: &str) -> Option<ActionKind> {
        matches!(name, "add" | "echo" | "fail" | "never").then_some(ActionKind::Awake)
    }

    fn boot<'a>(&'a self, _: ActorContext, _: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(async { Ok(Arc::new(Counter) as Arc<dyn Actor>) })
    }
}

impl Actor for Counter {
    fn action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            let argument = call.args.first().cloned().unwrap_or(Value::Undefined);
            match &*call.name {
                "echo" => Ok(argument),
                "fail" => Err(ActorError::user("nope", "No.")
                    .with_metadata(Value::object([("a", 1)]))
                    .into()),
                "never" => {
                    ctx.abort_signal().cancelled().await;
                    Ok(Value::Null)
                }
                _ => {
                    let count = ctx.update_state(|state| {
                        *state = Value::from(state.as_int().unwrap_or(0) + argument.as_int().unwrap_or(0));
                        state.clone()
                    })?;
                    ctx.broadcast("changed", vec![count.clone()]);
                    Ok(count)
                }
            }
        })
    }
}

/// Refuses whoever does not say the word.
struct Guarded;

impl ActorDefinition for Guarded {
    fn action_kind(&self, _: &str) -> Option<ActionKind> {
        Some(ActionKind::Awake)
    }

    fn boot<'a>(&'a self, _: ActorContext, _: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(async { Ok(Arc::new(Counter) as Arc<dyn Actor>) })
    }

    fn on_before_connect<'a>(&'a self, _: HookContext, params: Value) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            match params.get("word").and_then(Value::as_str) {
                Some("grüß \u{1f980}") => Ok(()),
                _ => Err(ActorError::user("forbidden", "Forbidden").into()),
            }
        })
    }
}

fn serve(token: Option<&str>) -> (Registry, Running) {
    let registry = Registry::builder()
        .define("counter", Counter)
        .define("guarded", Guarded)
        .build()
        .unwrap();
    let mut gateway = Gateway::builder(registry.clone());
    if let Some(token) = token {
        gateway = gateway.token(token);
    }
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let running = gateway.build().unwrap().serve(listener).unwrap();
    (registry, running)
}

async fn add(connection: &Connection, by: i64) -> i64 {
    connection.call_as("add", vec![Value::from(by)]).await.unwrap()
}

#[tokio::test]
async fn calls_over_http_and_events_over_a_connection() {
    let (_registry, running) = serve(None);
    for encoding in agentos_client::Encoding::ALL {
        let client = Client::builder(running.url()).encoding(encoding).build().unwrap();
        assert_eq!(client.health().await.unwrap()["status"], "ok");
        let counter = client
            .actor("counter")
            .get_or_create(["visits", encoding.name()])
            .await
            .unwrap();
        assert_eq!(counter.call_as::<i64>("add", &[Value::from(2)]).await.unwrap(), 2);
        let connection = counter.connect().await.unwrap();
        let mut changed = connection.on("changed").await.unwrap();
        assert_eq!(add(&connection, 3).await, 5);
        assert_eq!(changed.next().await.unwrap().unwrap()[0], Value::from(5));
        let bytes = Value::Bytes(vec![0, 255, 7].into());
        assert_eq!(connection.call("echo", vec![bytes.clone()]).await.unwrap(), bytes);
        assert_eq!(counter.call("echo", std::slice::from_ref(&bytes)).await.unwrap(), bytes);
        for error in [
            counter.call("fail", &[]).await.unwrap_err(),
            connection.call("fail", vec![]).await.unwrap_err(),
        ] {
            let Error::Actor(error) = error else { panic!("{error}") };
            assert!(error.is("user", "nope"), "{error:?}");
            assert_eq!(error.metadata.unwrap().get("a"), Some(&Value::from(1)));
        }
        connection.close().await;
        assert!(matches!(connection.status(), Status::Closed { .. }));
        assert!(matches!(
            connection.call("add", vec![]).await,
            Err(Error::Closed { .. })
        ));
        assert!(changed.next().await.is_none());
    }
}

#[tokio::test]
async fn actors_are_found_made_and_destroyed() {
    let (_registry, running) = serve(None);
    let client = Client::new(running.url()).unwrap();
    let counters = client.actor("counter");
    assert_eq!(counters.get(["a", "b/c"]).await.unwrap_err().code(), Some("not_found"));
    let made = counters.create(["a", "b/c"]).await.unwrap();
    assert_eq!(
        counters.create(["a", "b/c"]).await.unwrap_err().code(),
        Some("duplicate_key")
    );
    made.call("add", &[Value::from(1)]).await.unwrap();
    assert_eq!(counters.get(["a", "b/c"]).await.unwrap().id(), made.id());
    assert_eq!(counters.get_for_id(made.id()).await.unwrap().id(), made.id());
    assert_eq!(
        client.actor("nothing").get_or_create(["x"]).await.unwrap_err().code(),
        Some("not_registered")
    );
    made.destroy().await.unwrap();
    assert_eq!(
        counters.get_for_id(made.id()).await.unwrap_err().code(),
        Some("not_found")
    );
}

#[tokio::test]
async fn params_reach_the_hooks_whatever_their_letters() {
    let (_registry, running) = serve(None);
    let client = Client::new(running.url()).unwrap();
    let params = serde_json::json!({"word": "grüß \u{1f980}"});
    let welcome = client
        .actor("guarded")
        .get_or_create(["g"])
        .params(params)
        .await
        .unwrap();
    assert_eq!(welcome.call_as::<i64>("add", &[Value::from(1)]).await.unwrap(), 1);
    assert_eq!(add(&welcome.connect().await.unwrap(), 1).await, 2);
    let stranger = client.actor("guarded").get_or_create(["g"]).await.unwrap();
    assert_eq!(stranger.call("add", &[]).await.unwrap_err().code(), Some("forbidden"));
    assert_eq!(stranger.connect().await.unwrap_err().code(), Some("forbidden"));
}

#[tokio::test]
async fn a_token_is_sent_everywhere() {
    let (_registry, running) = serve(Some("se/cret@1"));
    let client = Client::builder(running.url()).token("se/cret@1").build().unwrap();
    let counter = client.actor("counter").get_or_create(["t"]).await.unwrap();
    assert_eq!(counter.call_as::<i64>("add", &[Value::from(1)]).await.unwrap(), 1);
    assert_eq!(add(&counter.connect().await.unwrap(), 1).await, 2);
    let without = Client::new(running.url())
        .unwrap()
        .actor("counter")
        .get_for_id(counter.id())
        .await;
    assert_eq!(without.unwrap_err().code(), Some("unauthorized"));
}

/// Waits for a state of the connection.
async fn wait(connection: &mut Connection, wanted: impl Fn(&Status) -> bool) -> Status {
    tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let status = connection.status();
            if wanted(&status) {
                return status;
            }
            connection.changed().await;
        }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_lost_connection_comes_back_with_its_subscriptions() {
    let (registry, running) = serve(None);
    let address = running.address();
    let client = Client::new(running.url()).unwrap();
    let counter = client.actor("counter").get_or_create(["lost"]).await.unwrap();
    let mut connection = counter.connect().await.unwrap();
    let mut changed = connection.on("changed").await.unwrap();
    assert_eq!(add(&connection, 1).await, 1);
    changed.next().await.unwrap().unwrap();
    let pending = connection.clone();
    let pending = tokio::spawn(async move { pending.call("never", vec![]).await });
    while connection.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    running.close().await;
    assert!(pending.await.unwrap().is_err(), "nobody knows whether it ran");
    wait(&mut connection, |status| matches!(status, Status::Reconnecting { .. })).await;
    let _again = Gateway::builder(registry.clone())
        .build()
        .unwrap()
        .serve(bind(address).unwrap())
        .unwrap();
    let status = wait(&mut connection, |status| matches!(status, Status::Open { .. })).await;
    assert!(matches!(status, Status::Open { losses: 1, .. }), "{status:?}");
    assert_eq!(add(&connection, 1).await, 2);
    assert_eq!(changed.next().await.unwrap().unwrap()[0], Value::from(2));
}

#[tokio::test]
async fn an_actor_that_is_gone_is_not_looked_for() {
    let (_registry, running) = serve(None);
    let client = Client::new(running.url()).unwrap();
    let counter = client.actor("counter").get_or_create(["gone"]).await.unwrap();
    let mut connection = counter.connect().await.unwrap();
    counter.destroy().await.unwrap();
    let status = wait(&mut connection, |status| matches!(status, Status::Closed { .. })).await;
    assert_eq!(
        status,
        Status::Closed {
            reason: "actor.destroyed".to_owned()
        }
    );
}

#[tokio::test]
async fn nobody_there_is_an_error_that_says_where() {
    let (_registry, running) = serve(None);
    let url = running.url().to_string();
    running.close().await;
    let error = Client::new(&url)
        .unwrap()
        .actor("counter")
        .get_or_create(["x"])
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Unreachable { .. }) && error.to_string().contains(&url),
        "{error}"
    );
}

/// Answers one request on each connection, and closes it without having said so.
async fn serve_once_each(listener: tokio::net::TcpListener) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("GET /health HTTP/1.1\r\n"), "{head}");
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        stream.write_all(answer).await.unwrap();
    }
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_is_no_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::new(&url).unwrap();
    let server = tokio::spawn(serve_once_each(listener));
    for _ in 0..20 {
        client.health().await.unwrap();
        // The end of the connection is there before the next request, as it is when time passes between two requests: the
        // server has gone on to its next connection by the time it has answered on it.
        let other = Client::new(&url).unwrap();
        other.health().await.unwrap();
    }
    server.abort();
}
