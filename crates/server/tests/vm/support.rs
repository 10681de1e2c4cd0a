//! A VM and a client.

use agentos_server::actor::{ConnectRequest, Connection, CreateOptions, Outgoing, Registry as Actors, Transport};
use agentos_server::{ActorError, Registry, Value, VmDefinition};
use agentos_value::{ActorId, Key};
use std::time::Duration;

/// A client with one VM.
pub(crate) struct Client {
    pub(crate) actors: Actors,
    pub(crate) id: ActorId,
    connection: Connection,
}

/// Waiting for something that does not come fails a test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(120);

impl Client {
    /// A VM with default options.
    pub(crate) async fn new() -> Self {
        Self::with(VmDefinition::default()).await
    }

    /// A VM of this definition.
    pub(crate) async fn with(definition: VmDefinition) -> Self {
        let registry = Registry::builder().vm("vm", definition).build().expect("a registry");
        Self::of(registry).await
    }

    /// The VM with the key `k` of a registry, on a connection that stays open, which wakes it.
    pub(crate) async fn of(registry: Registry) -> Self {
        Self::over(registry.actors().clone(), Transport::Socket).await
    }

    /// The VM of this definition, on a connection that does not wake it.
    pub(crate) async fn asleep(definition: VmDefinition) -> Self {
        let registry = Registry::builder().vm("vm", definition).build().expect("a registry");
        Self::over(registry.actors().clone(), Transport::Http).await
    }

    /// The VM with the key `k` among these actors.
    pub(crate) async fn over(actors: Actors, transport: Transport) -> Self {
        let key = Key::new(["k"]);
        let made = actors.get_or_create("vm", &key, CreateOptions::default());
        let id = made.await.expect("an id").0.id;
        let opened = actors.connect(&id, ConnectRequest::new(transport)).await;
        let connection = opened.expect("an open VM");
        Self { actors, id, connection }
    }

    /// Calls an action.
    pub(crate) async fn call(&self, action: &str, args: impl Into<Args>) -> Result<Value, ActorError> {
        let call = self.connection.call(action, args.into().0);
        tokio::time::timeout(PATIENCE, call).await.expect("an answer in time")
    }

    /// Calls an action that succeeds.
    pub(crate) async fn ok(&self, action: &str, args: impl Into<Args>) -> Value {
        self.call(action, args)
            .await
            .unwrap_or_else(|error| panic!("{action}: {error:?}"))
    }

    /// Calls an action that fails, and gives the code and the text.
    pub(crate) async fn err(&self, action: &str, args: impl Into<Args>) -> (String, String) {
        let error = self.call(action, args).await.expect_err(action);
        (format!("{}/{}", error.group, error.code), error.message)
    }

    /// Wants events of this name.
    pub(crate) fn subscribe(&self, event: &str) {
        self.connection.subscribe(event, true).expect("room");
    }

    /// The next event: its name and payload.
    pub(crate) async fn event(&self) -> (String, Value) {
        let next = tokio::time::timeout(PATIENCE, self.connection.next());
        match next.await.expect("an event in time") {
            Outgoing::Event(event) => (event.name.clone(), event.args.first().cloned().unwrap_or_default()),
            other => panic!("{other:?} in place of an event"),
        }
    }
}

/// Arguments of an action.
pub(crate) struct Args(Vec<Value>);

impl From<()> for Args {
    fn from((): ()) -> Self {
        Self(Vec::new())
    }
}

/// Arguments from a list.
pub(crate) fn list(args: Vec<Value>) -> Args {
    Args(args)
}

impl<A: Into<Value>> From<(A,)> for Args {
    fn from((a,): (A,)) -> Self {
        Self(vec![a.into()])
    }
}

impl<A: Into<Value>, B: Into<Value>> From<(A, B)> for Args {
    fn from((a, b): (A, B)) -> Self {
        Self(vec![a.into(), b.into()])
    }
}

impl<A: Into<Value>, B: Into<Value>, C: Into<Value>> From<(A, B, C)> for Args {
    fn from((a, b, c): (A, B, C)) -> Self {
        Self(vec![a.into(), b.into(), c.into()])
    }
}

/// A value from JSON.
#[allow(clippy::needless_pass_by_value, reason = "callers write the value in place")]
pub(crate) fn json(value: serde_json::Value) -> Value {
    Value::from_serialize(&value).expect("a value")
}

/// The JSON of a value, with bytes as text.
pub(crate) fn text(value: &Value) -> serde_json::Value {
    match value {
        Value::Bytes(bytes) | Value::ArrayBuffer(bytes) => String::from_utf8_lossy(bytes).into(),
        Value::Array(items) => items.iter().map(text).collect(),
        Value::Object(object) => object
            .iter()
            .map(|(name, value)| (name.to_owned(), text(value)))
            .collect(),
        Value::Undefined => serde_json::Value::Null,
        other => other.clone().deserialize().expect("JSON"),
    }
}

/// The names of an object's members, in order.
pub(crate) fn members(value: &Value) -> Vec<String> {
    let object = value.as_object().expect("an object");
    object.iter().map(|(name, _)| name.to_owned()).collect()
}
