//! What hooks and the program itself do with actors and connections.

use super::hooks::{Dispatch, not_serving};
use agentos_server::actor::Event;
use agentos_server::{ActorError, Db, Failure, Value};
use agentos_value::ActorId;
use std::sync::Arc;

/// Runs an action of an actor past its hooks.
pub(super) async fn act(
    dispatch: Arc<Dispatch>,
    actor: String,
    action: String,
    args: Vec<Value>,
) -> Result<Value, ActorError> {
    let client = dispatch.client().ok_or_else(not_serving)?;
    client.act(&id(&actor)?, action, args).await
}

/// Runs statements in the database of an actor, for a hook of a connection or without one.
pub(super) async fn execute(
    dispatch: Arc<Dispatch>,
    actor: String,
    conn: Option<String>,
    sql: String,
    args: Vec<Value>,
) -> Result<Value, ActorError> {
    let client = dispatch.client().ok_or_else(not_serving)?;
    rows(client.db(&id(&actor)?, conn.as_deref())?, sql, args).await
}

/// The rows as objects. SQLite's own errors are for the program, and masked when it passes them on.
pub(super) async fn rows(db: Db, sql: String, args: Vec<Value>) -> Result<Value, ActorError> {
    match db.execute(sql, args).await {
        Ok(rows) => Ok(Value::Array(rows.into_iter().map(Value::Object).collect())),
        Err(Failure::Public(error)) => Err(error),
        Err(other) => Err(ActorError::new("db", "sql_error", other.to_string())),
    }
}

/// What is done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// Its state is replaced.
    SetState,
    /// It gets an event of its own.
    Send,
    /// It is closed.
    Disconnect,
}

impl Deed {
    /// By the name that the TypeScript side uses.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "setState" => Some(Self::SetState),
            "send" => Some(Self::Send),
            "disconnect" => Some(Self::Disconnect),
            _ => None,
        }
    }
}

/// Does something with a connection; whether it was still there.
pub(super) fn with_conn(
    dispatch: &Dispatch,
    actor: &str,
    conn: &str,
    deed: Deed,
    mut args: Vec<Value>,
) -> Result<Value, ActorError> {
    let Some(conn) = dispatch.client().and_then(|client| client.conn(&id(actor).ok()?, conn)) else {
        return Ok(Value::Bool(false));
    };
    match deed {
        Deed::SetState => {
            let state = args.pop().unwrap_or_default();
            conn.set_state(state).map_err(|failure| failure.publish("conn.state"))?;
        }
        Deed::Send => {
            let mut args = args.into_iter();
            let Some(Value::Text(name)) = args.next() else {
                return Err(ActorError::agentos(
                    "invalid_argument",
                    "conn.send: the name of the event must be a string",
                ));
            };
            conn.send(Event::new(name, args.collect()));
        }
        Deed::Disconnect => {
            let reason = args.pop();
            conn.disconnect(reason.as_ref().and_then(Value::as_str).unwrap_or("actor.disconnected"));
        }
    }
    Ok(Value::Bool(true))
}

fn id(actor: &str) -> Result<ActorId, ActorError> {
    ActorId::new(actor).map_err(|error| ActorError::agentos("invalid_argument", format!("actor id: {error}")))
}
