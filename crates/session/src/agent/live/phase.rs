//! What an agent's notifications mean, by where its conversation is.
//!
//! Before a conversation has an id they are kept, a few, and told once the answer is there that names it; while the agent shows a
//! conversation that we know they are nothing new; after that they are events, under our own id of the session.

use super::super::message::Answer;
use super::super::v2;
use super::Live;
use serde_json::{Value, json};

/// What its notifications mean now.
pub(super) enum Phase {
    /// It has no conversation yet, or is about to have one: the number of the request, and what came early.
    Starting { asked: Option<u64>, early: Vec<Value> },
    /// It shows us a conversation that we know: the number of the request, and its own id of the session.
    Replaying { asked: Option<u64>, agent_session: String },
    /// It works.
    Running { agent_session: String },
}

/// Notifications before the session has an id; more is a flood.
const EARLY: usize = 256;

impl Live {
    /// Notices the beginning of a conversation; gives the events that came before it.
    pub(super) fn settle(&self, id: u64, answer: &Answer) -> Result<Vec<Value>, &'static str> {
        let mut phase = self.phase.lock();
        match (&mut *phase, answer) {
            (Phase::Starting { asked, early }, Ok(result)) if *asked == Some(id) => {
                let Some(agent_session) = super::super::acp::new_session(result) else {
                    return Ok(Vec::new());
                };
                let own = |params: &Value| params.get("sessionId").and_then(Value::as_str) == Some(&agent_session);
                let early = std::mem::take(early);
                let early = early.into_iter().filter(|event| event.get("params").is_some_and(own));
                let early = early.map(|event| self.renamed(event)).collect();
                *phase = Phase::Running { agent_session };
                Ok(early)
            }
            (Phase::Replaying { asked, agent_session }, Ok(_)) if *asked == Some(id) => {
                let agent_session = std::mem::take(agent_session);
                *phase = Phase::Running { agent_session };
                Ok(Vec::new())
            }
            _ => Ok(Vec::new()),
        }
    }

    fn renamed(&self, mut event: Value) -> Value {
        if let Some(id) = event.get_mut("params").and_then(|params| params.get_mut("sessionId")) {
            *id = Value::from(self.session_id.as_str());
        }
        event
    }

    /// A notification; what is to be stored is added to `events`.
    pub(super) fn notified(&self, method: &str, params: &Value, events: &mut Vec<Value>) -> Result<(), &'static str> {
        let Some(id) = params.get("sessionId").and_then(Value::as_str) else {
            // Not of a session: nothing that we offer has such notifications, and ignoring them is what JSON-RPC asks for.
            return match method {
                "session/update" => Err("an update of no session"),
                _ => Ok(()),
            };
        };
        let shaped = params
            .get("update")
            .and_then(|update| update.get("sessionUpdate"))
            .is_some_and(Value::is_string);
        if method == "session/update" && !shaped {
            return Err("an update that is none");
        }
        let mut phase = self.phase.lock();
        let known = match &*phase {
            Phase::Running { agent_session } => agent_session == id,
            // What it shows us of a conversation that we have is not told again.
            Phase::Replaying { agent_session, .. } if agent_session == id => return Ok(()),
            Phase::Replaying { .. } => false,
            Phase::Starting { .. } => true,
        };
        if !known {
            return Err("a notification of another session");
        }
        let event = json!({"jsonrpc": "2.0", "method": method, "params": params});
        if let Phase::Starting { early, .. } = &mut *phase {
            early.push(event);
            let flood = early.len() > EARLY;
            drop(phase);
            if flood {
                self.broke("it flooded before the session began");
            }
            return Ok(());
        }
        drop(phase);
        let is_echo = self.is_v2() && params.get("update").is_some_and(v2::is_echo);
        if !is_echo {
            events.push(self.renamed(event));
        }
        Ok(())
    }
}
