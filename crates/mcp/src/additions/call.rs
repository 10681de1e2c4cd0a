//! What a tool of the embedding program can do while it runs: tell its client, and ask it.

#![allow(deprecated, reason = "clients of versions before 2026-07-28 log and sample")]

use crate::client::Client;
use crate::computer::{Computer, Result};
use crate::failure::{Exceeded, Failure};
use crate::limits::millis;
use crate::tools::Call;
use rmcp::model::{
    ClientResult, CreateMessageRequestParams, ElicitRequest, ElicitRequestParams, ElicitationAction, ElicitationSchema,
    JsonObject, LoggingLevel, SamplingMessage, SamplingMessageContentBlock, ServerRequest,
};
use rmcp::service::ServiceError;
use serde_json::Value;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// How much a record matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(clippy::exhaustive_enums, reason = "the levels of syslog")]
pub enum LogLevel {
    /// For who looks for a fault.
    Debug,
    /// What happens.
    Info,
    /// What happens and is worth a look.
    Notice,
    /// What may become a fault.
    Warning,
    /// A fault.
    Error,
    /// A fault of a part.
    Critical,
    /// A fault that somebody has to act on.
    Alert,
    /// Nothing works.
    Emergency,
}

impl From<LogLevel> for LoggingLevel {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Debug => Self::Debug,
            LogLevel::Info => Self::Info,
            LogLevel::Notice => Self::Notice,
            LogLevel::Warning => Self::Warning,
            LogLevel::Error => Self::Error,
            LogLevel::Critical => Self::Critical,
            LogLevel::Alert => Self::Alert,
            LogLevel::Emergency => Self::Emergency,
        }
    }
}

/// What the client's model said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sampled {
    /// Its text.
    pub text: String,
    /// Which model it was.
    pub model: String,
    /// Why it stopped, if the client says.
    pub stop_reason: Option<String>,
}

/// What the client's user did with a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Answered it.
    Accept,
    /// Did not want to answer it.
    Decline,
    /// Closed it.
    Cancel,
}

/// The answer of the client's user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Elicited {
    /// What the user did.
    pub action: Action,
    /// What was answered. It is as the client gave it, which may not fit the schema.
    pub content: Option<Value>,
}

/// One call of a tool. The tool's future is dropped when the client cancels the call or leaves.
#[derive(Clone)]
pub struct ToolCall {
    vm: Arc<dyn Computer>,
    client: Client,
    tool: String,
    time: Duration,
}

impl std::fmt::Debug for ToolCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ToolCall").field(&self.tool).finish()
    }
}

impl ToolCall {
    pub(super) fn new(call: &Call, tool: &str) -> Self {
        Self {
            vm: Arc::clone(&call.vm),
            client: call.client.clone(),
            tool: tool.to_owned(),
            time: call.limits.max_ask,
        }
    }

    /// The VM.
    pub fn vm(&self) -> &dyn Computer {
        &*self.vm
    }

    /// Tells how far the call is: `done`, which has to grow, of `total`. Nothing is sent to a client that did not ask.
    pub async fn progress(&self, done: f64, total: Option<f64>, message: Option<&str>) {
        self.client.progress(done, total, message).await;
    }

    /// Tells the client, if it wants records of this level.
    pub async fn log(&self, level: LogLevel, data: Value) {
        self.client
            .level
            .tell(&self.client.peer, &self.tool, level.into(), data)
            .await;
    }

    /// Ends the stream over HTTP on which the client waits for the result, so that no connection is held for a long call: the
    /// client comes back and goes on where it was. Over standard streams nothing happens.
    pub fn release_stream(&self) {
        self.client.release_stream();
    }

    /// Asks the client's model.
    ///
    /// # Errors
    /// `not_supported` by this client, `limit_exceeded` with `mcp.maxAskMs`, or the client's refusal.
    pub async fn sample(&self, prompt: &str, max_tokens: u32) -> Result<Sampled> {
        let info = self.client.peer.peer_info();
        if info.is_none_or(|info| info.capabilities.sampling.is_none()) {
            return Err(unable("sampling"));
        }
        let params = CreateMessageRequestParams::new(vec![SamplingMessage::user_text(prompt)], max_tokens);
        let said = self
            .within("sampling/createMessage", self.client.peer.create_message(params))
            .await?;
        let texts = said
            .message
            .content
            .into_vec()
            .into_iter()
            .filter_map(|block| match block {
                SamplingMessageContentBlock::Text(text) => Some(text.text),
                _ => None,
            });
        Ok(Sampled {
            text: texts.collect::<Vec<_>>().join("\n"),
            model: said.model,
            stop_reason: said.stop_reason,
        })
    }

    /// Asks the client's user. The schema is an object of texts, numbers, booleans and choices.
    ///
    /// # Errors
    /// `invalid_argument` for another schema, `not_supported` by this client, `limit_exceeded` with `mcp.maxAskMs`, or the
    /// client's refusal.
    pub async fn elicit(&self, message: &str, schema: JsonObject) -> Result<Elicited> {
        let requested_schema = ElicitationSchema::from_json_schema(schema)
            .map_err(|error| Failure::argument("schema", format_args!("is no form: {error}")))?;
        let info = self.client.peer.peer_info();
        let able = info.and_then(|info| info.capabilities.elicitation.clone());
        if able.is_none_or(|able| able.form.is_none() && able.url.is_some()) {
            return Err(unable("elicitation"));
        }
        let params = ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: message.to_owned(),
            requested_schema,
        };
        let request = ServerRequest::ElicitRequest(ElicitRequest::new(params));
        let asked = self.within("elicitation/create", self.client.peer.send_request(request));
        let ClientResult::ElicitResult(result) = asked.await? else {
            return Err(Failure::new(
                "client_error",
                "elicitation/create was answered with something else",
            ));
        };
        let action = match result.action {
            ElicitationAction::Accept => Action::Accept,
            ElicitationAction::Decline => Action::Decline,
            _ => Action::Cancel,
        };
        Ok(Elicited {
            action,
            content: result.content,
        })
    }

    /// What the client answers in time.
    async fn within<T>(
        &self,
        method: &str,
        asked: impl Future<Output = std::result::Result<T, ServiceError>>,
    ) -> Result<T> {
        match tokio::time::timeout(self.time, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Failure::new("client_error", format!("{method}: {error}"))),
            Err(_) => {
                let time = millis(self.time);
                Err(Exceeded::new("mcp.maxAskMs", time.saturating_add(1), time, method).into())
            }
        }
    }
}

fn unable(what: &str) -> Failure {
    Failure::new("not_supported", format!("the client does not say that it has {what}"))
}
