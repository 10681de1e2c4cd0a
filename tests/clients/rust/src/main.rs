//! The stock Rust client against a server: the same scenarios as for JavaScript, as far as its values go (it sends and
//! receives plain JSON values). Prints a line of JSON for each.

use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rivetkit_client::{Client, ClientConfig, CreateOptions, EncodingKind, GetOptions, GetOrCreateOptions};
use serde_json::{Value, json};
use tokio::sync::mpsc;

type Outcome = Result<(), String>;

struct Test {
    client: Client,
    encoding: EncodingKind,
}

static KEYS: AtomicU64 = AtomicU64::new(0);

fn key() -> Vec<String> {
    let number = KEYS.fetch_add(1, Ordering::Relaxed);
    let now = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos());
    vec![format!("r{}x{now}x{number}", std::process::id())]
}

fn params() -> Option<Value> {
    Some(json!({"authToken": "valid-token", "user": "u1"}))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn equal<T: PartialEq + Debug>(found: T, expected: T, what: &str) -> Outcome {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?} instead of {expected:?}")) }
}

fn holds(truth: bool, what: impl Into<String>) -> Outcome {
    if truth { Ok(()) } else { Err(what.into()) }
}

impl Test {
    fn counter(&self, params: Option<Value>) -> Result<rivetkit_client::handle::ActorHandle, String> {
        let options = GetOrCreateOptions { params, ..Default::default() };
        self.client.get_or_create("counter", key(), options).map_err(text)
    }

    async fn actions(&self) -> Outcome {
        let handle = self.counter(params())?;
        equal(handle.action("increment", vec![json!(5)]).await.map_err(text)?, json!(5), "count")?;
        let id = handle.resolve().await.map_err(text)?;
        let options = GetOptions { params: params() };
        let direct = self.client.get_for_id("counter", &id, options).map_err(text)?;
        equal(direct.action("increment", vec![json!(2)]).await.map_err(text)?, json!(7), "count by id")?;
        let who = handle.action("whoami", vec![]).await.map_err(text)?;
        equal(who, json!({"conn": {"user": "u1"}, "params": params()}), "whoami")
    }

    async fn values(&self) -> Outcome {
        let handle = self.counter(params())?;
        for value in [
            json!(0),
            json!(-1),
            json!(1.5),
            json!("é"),
            json!(null),
            json!(true),
            json!([[], {}, {"a": [1, "x"]}]),
            json!(["$x", 1, 2]),
            json!((0..40).collect::<Vec<_>>()),
        ] {
            let echoed = handle.action("echo", vec![value.clone()]).await.map_err(text)?;
            equal(echoed, json!([value]), "echo")?;
        }
        // Bytes and BigInts must not make the whole reply unreadable.
        let types = handle.action("types", vec![]).await.map_err(text)?;
        equal(types["bytes"].clone(), json!(["$Uint8Array", "AP8="]), "bytes")?;
        equal(types["large"].as_f64(), Some(1_099_511_627_776.0), "a large number")
    }

    async fn errors(&self) -> Outcome {
        let handle = self.counter(params())?;
        let error = failure(handle.action("userErr", vec![]).await)?;
        holds(error.contains("(user/nope_code): Nope"), format!("a user's error: {error}"))?;
        let error = failure(handle.action("boom", vec![]).await)?;
        holds(error.contains("internal/internal_error") && !error.contains("secret"), format!("masked: {error}"))?;
        let error = failure(handle.action("noSuchAction", vec![]).await)?;
        holds(error.contains("actor/action_not_found"), format!("an unknown action: {error}"))?;
        let refused = self.counter(Some(json!({"authToken": "bad"})))?;
        let error = failure(refused.action("increment", vec![json!(1)]).await)?;
        holds(error.contains("(user/forbidden): Forbidden"), format!("refused: {error}"))
    }

    async fn connection(&self) -> Outcome {
        let connection = self.counter(params())?.connect();
        let (sender, mut events) = mpsc::unbounded_channel();
        let _subscription = connection
            .on_event("newCount", move |args| {
                let _ = sender.send(args.clone());
            })
            .await;
        equal(connection.action("increment", vec![json!(7)]).await.map_err(text)?, json!(7), "count")?;
        let args = events.recv().await.ok_or("no event")?;
        equal(args[0].clone(), json!(7), "the event's first argument")?;
        equal(args[1]["bytes"].clone(), json!(["$Uint8Array", "AQID"]), "bytes in an event")?;
        let error = failure(connection.action("userErr", vec![]).await)?;
        holds(error.contains("Nope"), format!("a user's error: {error}"))?;
        equal(connection.action("increment", vec![json!(1)]).await.map_err(text)?, json!(8), "count")?;
        connection.disconnect().await;
        Ok(())
    }

    async fn create_and_destroy(&self) -> Outcome {
        let key = key();
        let options = || CreateOptions { params: params(), input: Some(json!({"start": 40})), ..Default::default() };
        let handle = self.client.create("counter", key.clone(), options()).await.map_err(text)?;
        equal(handle.action("increment", vec![json!(2)]).await.map_err(text)?, json!(42), "count")?;
        holds(self.client.create("counter", key.clone(), options()).await.is_err(), "a taken key is given again")?;
        handle.action("doDestroy", vec![]).await.map_err(text)?;
        for _ in 0..100 {
            let again = self.client.get("counter", key.clone(), GetOptions { params: params() }).map_err(text)?;
            if again.resolve().await.is_err() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err("the destroyed actor is still there".to_owned())
    }
}

fn failure(result: anyhow::Result<Value>) -> Result<String, String> {
    match result {
        Ok(value) => Err(format!("no error, but {value}")),
        Err(error) => Ok(format!("{error:#}")),
    }
}

async fn run(test: &Test, scenario: &str, body: impl Future<Output = Outcome>) {
    let outcome = tokio::time::timeout(Duration::from_secs(20), body).await;
    let error = outcome.unwrap_or_else(|_| Err("took more than 20 s".to_owned())).err();
    println!("@@{}", json!({"scenario": scenario, "encoding": test.encoding.as_str(), "error": error}));
}

#[tokio::main]
async fn main() {
    let endpoint = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:6420".to_owned());
    for encoding in [EncodingKind::Bare, EncodingKind::Json, EncodingKind::Cbor] {
        let client = Client::new(ClientConfig::new(&endpoint).encoding(encoding));
        let test = Test { client, encoding };
        run(&test, "actions", test.actions()).await;
        run(&test, "values", test.values()).await;
        run(&test, "errors", test.errors()).await;
        run(&test, "connection", test.connection()).await;
        run(&test, "create and destroy", test.create_and_destroy()).await;
    }
}
