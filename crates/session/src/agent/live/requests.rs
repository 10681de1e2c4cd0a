//! Requests of an agent: so many at once, each by a task of its own, one that comes twice answered from memory.

use super::super::message::{self, Answer, INVALID_PARAMS, REFUSED, RpcError};
use super::super::v2;
use super::Live;
use crate::client;
use crate::limits::{REMEMBERED_ANSWERS, REMEMBERED_BYTES, REQUESTS_AT_ONCE, WAITING_AT_ONCE};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The one method that agents of both versions call.
const PERMISSION: &str = "session/request_permission";

/// Answers to requests that may come again.
#[derive(Default)]
pub(super) struct Remembered {
    answers: HashMap<String, Option<Value>>,
    order: VecDeque<(String, usize)>,
    bytes: usize,
}

impl Live {
    /// A request: answered from memory, or by a task.
    pub(super) fn requested(self: &Arc<Self>, id: Value, method: String, params: Value) {
        let key = id.to_string();
        let known = self.remembered.lock().answers.get(&key).cloned();
        match known {
            // The first of the two is still worked on, and its answer answers both.
            Some(None) => return,
            Some(Some(answer)) => return self.peer.offer(&answer),
            None => {}
        }
        let waits = method == PERMISSION || method == "terminal/wait_for_exit";
        let (counter, most) = match waits {
            true => (&self.waiting, WAITING_AT_ONCE),
            false => (&self.working, REQUESTS_AT_ONCE),
        };
        if counter.load(Ordering::Acquire) >= most {
            let error = RpcError::new(REFUSED, format!("more than {most} requests at once"));
            return self
                .peer
                .offer(&json!({"jsonrpc": "2.0", "id": id, "error": error.to_value()}));
        }
        self.remembered.lock().begin(&key);
        counter.fetch_add(1, Ordering::AcqRel);
        let live = Arc::clone(self);
        self.core.spawn(async move {
            let answer = tokio::select! {
                biased;
                answer = live.serve(&method, params) => answer,
                _ = live.peer.end_of() => Err(RpcError::new(REFUSED, "the session has ended")),
            };
            let response = match answer {
                Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
                Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error.to_value()}),
            };
            live.remembered.lock().finish(&key, &response);
            live.peer.send(&response).await;
            let counter = if waits { &live.waiting } else { &live.working };
            counter.fetch_sub(1, Ordering::AcqRel);
        });
    }

    async fn serve(self: &Arc<Self>, method: &str, params: Value) -> Answer {
        // In version 2 agents have files and terminals of their own.
        let is_served = client::METHODS.contains(&method) && (!self.is_v2() || method == PERMISSION);
        if !is_served {
            return Err(RpcError::new(
                message::METHOD_NOT_FOUND,
                format!("Method not found: {}", crate::text::shown(method, 100)),
            ));
        }
        let Some(own) = self.agent_session() else {
            return Err(RpcError::new(REFUSED, "there is no session yet"));
        };
        if params.get("sessionId").and_then(Value::as_str) != Some(&own) {
            return Err(RpcError::new(
                INVALID_PARAMS,
                "Invalid params: sessionId is not the id of this session",
            ));
        }
        let params = match self.is_v2() {
            true => v2::permission(params),
            false => params,
        };
        client::serve(self, method, params).await
    }
}

impl Remembered {
    fn begin(&mut self, key: &str) {
        self.answers.insert(key.to_owned(), None);
    }

    fn finish(&mut self, key: &str, response: &Value) {
        let bytes = response.to_string().len() + key.len();
        if bytes > REMEMBERED_BYTES {
            self.answers.remove(key);
            return;
        }
        self.answers.insert(key.to_owned(), Some(response.clone()));
        self.order.push_back((key.to_owned(), bytes));
        self.bytes += bytes;
        while self.order.len() > REMEMBERED_ANSWERS || self.bytes > REMEMBERED_BYTES {
            let Some((oldest, bytes)) = self.order.pop_front() else {
                break;
            };
            self.answers.remove(&oldest);
            self.bytes -= bytes;
        }
    }
}
