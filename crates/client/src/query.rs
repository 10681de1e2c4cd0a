//! From name and key to a handle.

use crate::client::Client;
use crate::error::{Error, Result};
use crate::handle::Handle;
use agentos_value::{Key, Value, cbor};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::future::{Future, IntoFuture};
use core::marker::PhantomData;
use core::pin::Pin;
use http::Method;
use percent_encoding::utf8_percent_encode;
use serde_json::json;

/// The actors of one definition.
pub struct Name<H> {
    client: Client,
    name: String,
    kind: PhantomData<fn() -> H>,
}

/// How the actor is found.
enum Find {
    GetOrCreate(Key),
    Get(Key),
    Create(Key),
    Id(String),
}

/// One actor that is about to be found; awaiting it gives the handle.
#[must_use = "nothing is asked until this is awaited"]
pub struct Query<H> {
    client: Client,
    name: String,
    find: Find,
    params: Option<serde_json::Value>,
    input: Option<Value>,
    kind: PhantomData<fn() -> H>,
}

impl<H> Name<H> {
    pub(crate) fn new(client: Client, name: String) -> Self {
        Self {
            client,
            name,
            kind: PhantomData,
        }
    }

    /// The actor of this key, made if there is none.
    pub fn get_or_create<P: Into<String>>(&self, key: impl IntoIterator<Item = P>) -> Query<H> {
        self.query(Find::GetOrCreate(Key::new(key)))
    }

    /// The actor of this key; `actor/not_found` if there is none.
    pub fn get<P: Into<String>>(&self, key: impl IntoIterator<Item = P>) -> Query<H> {
        self.query(Find::Get(Key::new(key)))
    }

    /// A new actor of this key; `actor/duplicate_key` if there is one.
    pub fn create<P: Into<String>>(&self, key: impl IntoIterator<Item = P>) -> Query<H> {
        self.query(Find::Create(Key::new(key)))
    }

    /// The actor of this id; `actor/not_found` if there is none.
    pub fn get_for_id(&self, id: impl Into<String>) -> Query<H> {
        self.query(Find::Id(id.into()))
    }

    fn query(&self, find: Find) -> Query<H> {
        Query {
            client: self.client.clone(),
            name: self.name.clone(),
            find,
            params: None,
            input: None,
            kind: PhantomData,
        }
    }
}

impl<H> Query<H> {
    /// What the server's hooks get as `params`, with every call and connection. At most 4 KiB as JSON.
    pub fn params(mut self, params: impl Into<serde_json::Value>) -> Self {
        self.params = Some(params.into());
        self
    }

    /// What the actor is created with, if it is created now.
    pub fn input(mut self, input: impl Into<Value>) -> Self {
        self.input = Some(input.into());
        self
    }

    async fn find(&self) -> Result<String> {
        let namespace =
            utf8_percent_encode(&self.client.inner.endpoint.namespace, crate::endpoint::SEGMENT).to_string();
        match &self.find {
            Find::GetOrCreate(key) => self.make(Method::PUT, &namespace, key).await,
            Find::Create(key) => self.make(Method::POST, &namespace, key).await,
            Find::Get(key) => {
                let name = utf8_percent_encode(&self.name, crate::endpoint::SEGMENT);
                let key = key.serialized();
                let key = utf8_percent_encode(&key, crate::endpoint::SEGMENT);
                self.look(&format!("/actors?namespace={namespace}&name={name}&key={key}"))
                    .await
            }
            Find::Id(id) => {
                let id = utf8_percent_encode(id, crate::endpoint::SEGMENT);
                self.look(&format!("/actors?namespace={namespace}&actor_ids={id}"))
                    .await
            }
        }
    }

    async fn make(&self, method: Method, namespace: &str, key: &Key) -> Result<String> {
        let mut body = json!({
            "name": self.name, "key": key.serialized(), "runner_name_selector": "default", "crash_policy": "sleep",
        });
        if let Some(input) = &self.input {
            let bytes = cbor::encode(input, cbor::Style::Native).map_err(|error| Error::Protocol(error.to_string()))?;
            body["input"] = STANDARD.encode(bytes).into();
        }
        let answer = self
            .ask(method, &format!("/actors?namespace={namespace}"), Some(body))
            .await?;
        id_of(&answer["actor"])
    }

    async fn look(&self, target: &str) -> Result<String> {
        let answer = self.ask(Method::GET, target, None).await?;
        match answer["actors"].as_array().and_then(|actors| actors.first()) {
            Some(actor) => id_of(actor),
            None => Err(Error::Actor(agentos_value::ActorError::actor(
                "not_found",
                "The actor does not exist or was destroyed.",
            ))),
        }
    }

    async fn ask(&self, method: Method, target: &str, body: Option<serde_json::Value>) -> Result<serde_json::Value> {
        self.client
            .inner
            .http
            .control(&self.client.inner.endpoint, method, target, body)
            .await
    }
}

impl<H: From<Handle> + 'static> IntoFuture for Query<H> {
    type Output = Result<H>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let id = self.find().await?;
            Ok(Handle::new(self.client, id, self.params)?.into())
        })
    }
}

/// The id in a record of the control API.
fn id_of(actor: &serde_json::Value) -> Result<String> {
    let id = actor["actor_id"]
        .as_str()
        .ok_or_else(|| Error::Protocol("an actor without actor_id".to_owned()))?;
    Ok(id.to_owned())
}
