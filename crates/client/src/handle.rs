//! One actor, called over HTTP.

use crate::client::Client;
use crate::connection::Connection;
use crate::error::{Error, Result};
use agentos_value::Value;
use http::{HeaderValue, Method};
use percent_encoding::utf8_percent_encode;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// Delays between attempts of a call that the server refused without effect.
const RETRIES: [Duration; 4] = [
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
];

/// One actor. Cheap to clone. Nothing is kept open for it.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) client: Client,
    id: Arc<str>,
    params: Option<Params>,
}

/// Connection parameters in the two forms that requests carry them in.
#[derive(Clone)]
struct Params {
    header: HeaderValue,
    json: Arc<str>,
}

impl core::fmt::Debug for Params {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("(not shown)")
    }
}

impl Handle {
    pub(crate) fn new(client: Client, id: String, params: Option<serde_json::Value>) -> Result<Self> {
        let params = params.map(|params| ascii_json(&params)).transpose()?;
        Ok(Self {
            client,
            id: id.into(),
            params,
        })
    }

    /// The actor's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The URL below which the actor is served: a path of a preview may be appended. It holds no token.
    pub fn gateway_url(&self) -> String {
        let endpoint = &self.client.inner.endpoint;
        let scheme = if endpoint.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", endpoint.authority, endpoint.actor_path(&self.id, ""))
    }

    /// Runs an action. Refusals that are known to have had no effect (the actor is moving or starting) are repeated a few
    /// times.
    ///
    /// # Errors
    /// What the action, the hooks or the gateway answered; [`Error::Unreachable`].
    pub async fn call(&self, action: &str, args: &[Value]) -> Result<Value> {
        let mut delays = RETRIES.iter();
        loop {
            match (self.attempt(action, args).await, delays.next()) {
                (Err(error), Some(delay)) if error.had_no_effect() => tokio::time::sleep(*delay).await,
                (outcome, _) => return outcome,
            }
        }
    }

    /// Runs an action whose result is a `T`.
    ///
    /// # Errors
    /// Those of [`call`](Self::call); [`Error::Shape`].
    pub async fn call_as<T: DeserializeOwned>(&self, action: &str, args: &[Value]) -> Result<T> {
        let value = self.call(action, args).await?;
        value.deserialize().map_err(|source| Error::Shape {
            action: action.to_owned(),
            source: Arc::new(source),
        })
    }

    /// Opens a connection for events and calls.
    ///
    /// # Errors
    /// The refusal of the server's hooks; [`Error::Unreachable`].
    pub async fn connect(&self) -> Result<Connection> {
        Connection::open(self.clone()).await
    }

    /// Destroys the actor with all its data, through the control API.
    ///
    /// # Errors
    /// `auth/forbidden` without the right to; [`Error::Unreachable`].
    pub async fn destroy(&self) -> Result<()> {
        let endpoint = &self.client.inner.endpoint;
        let id = utf8_percent_encode(&self.id, crate::endpoint::SEGMENT);
        let namespace = utf8_percent_encode(&endpoint.namespace, crate::endpoint::SEGMENT);
        let target = format!("/actors/{id}?namespace={namespace}");
        self.client
            .inner
            .http
            .control(endpoint, Method::DELETE, &target, None)
            .await
            .map(drop)
    }

    /// The parameters as JSON in ASCII.
    pub(crate) fn params_json(&self) -> Option<&str> {
        self.params.as_ref().map(|params| &*params.json)
    }

    async fn attempt(&self, action: &str, args: &[Value]) -> Result<Value> {
        let inner = &self.client.inner;
        let params = self.params.as_ref().map(|params| &params.header);
        inner.http.action(&inner.endpoint, &self.id, params, action, args).await
    }
}

/// JSON in ASCII alone: the header's octets are Latin-1 to a server, and escapes need no such agreement.
fn ascii_json(value: &serde_json::Value) -> Result<Params> {
    let mut json = String::new();
    for unit in value.to_string().chars() {
        if unit.is_ascii() {
            json.push(unit);
        } else {
            let mut units = [0; 2];
            for unit in unit.encode_utf16(&mut units) {
                json.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    let header = HeaderValue::from_str(&json).map_err(|_| Error::Invalid {
        field: "params",
        given: "(not shown)".to_owned(),
        expected: "a JSON value",
    })?;
    Ok(Params {
        header,
        json: json.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn params_are_ascii_and_mean_the_same() {
        let value = serde_json::json!({"name": "Zoë \u{1f980}", "n": [1, null]});
        let params = ascii_json(&value).unwrap();
        assert!(params.json.is_ascii());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&params.json).unwrap(), value);
    }
}
