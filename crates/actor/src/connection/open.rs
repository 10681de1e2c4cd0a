//! Opening a connection: the schedule of hooks, before the actor is booted or its storage exists.

use std::sync::Arc;
use std::time::Duration;

use agentos_value::{ActorError, ActorId, Value};
use serde_json::json;

use super::Connection;
use super::conn::{Conn, check_state};
use crate::error::{auth_timeout, invalid_params, service_unavailable};
use crate::hooks::hook;
use crate::lifecycle::Cell;
use crate::registry::Shared;
use crate::{ConnectRequest, Failure, HookContext, Transport, random};

/// Runs the schedule for one connection.
pub(crate) async fn open(
    shared: &Arc<Shared>,
    id: &ActorId,
    request: ConnectRequest,
) -> Result<Connection, ActorError> {
    if shared.is_draining() {
        return Err(service_unavailable("The server is shutting down."));
    }
    let cell = shared.cell(id)?;
    check_params(&request, shared)?;
    let place = cell.connections.take_place(shared.limits.max_connections)?;
    let schedule = Schedule {
        started_ms: shared.clock.now_ms(),
        shared,
    };
    let registered = Arc::clone(&cell.registered);
    let (definition, hooks) = (&registered.definition, registered.hooks);
    let early = || HookContext::early(&cell, &request);
    if hooks.before_connect {
        let params = request.params.clone();
        let accept = async { definition.on_before_connect(early(), params).await };
        schedule
            .run("onBeforeConnect", accept)
            .await
            .inspect_err(|error| audit(&cell, &request, "onBeforeConnect", error))?;
    }
    let mut state = Value::Null;
    if hooks.conn_state {
        let (params, max) = (request.params.clone(), shared.limits.conn_state_bytes);
        let make = async {
            let state = definition.create_conn_state(early(), params).await?;
            check_state(&state, max)?;
            Ok(state)
        };
        state = schedule
            .run("createConnState", make)
            .await
            .inspect_err(|error| audit(&cell, &request, "createConnState", error))?;
    }
    let transport = request.transport;
    let conn = Conn::new(random::uuid().into(), cell.clone(), request, state, place);
    cell.connections.insert(conn.clone());
    let connection = Connection::new(conn.clone());
    if hooks.connect {
        let accept = async { definition.on_connect(HookContext::of_conn(&conn), conn.clone()).await };
        if let Err(error) = schedule.run("onConnect", accept).await {
            audit(&cell, &conn.0.request, "onConnect", &error);
            conn.abandon();
            return Err(error);
        }
    }
    cell.accept().await.map_err(|failure| failure.publish("create"))?;
    if shared.is_draining() {
        // The connection closes as it is dropped, and its end is told.
        return Err(service_unavailable("The server is shutting down."));
    }
    if transport == Transport::Socket && registered.options.wake_on_connect {
        cell.wake();
    }
    shared.metrics.connected(transport);
    Ok(connection)
}

/// A value takes more memory than text: the smallest, `0,`, takes two bytes of text and one [`Value`].
const MEMORY_FACTOR: usize = 32;

fn check_params(request: &ConnectRequest, shared: &Shared) -> Result<(), ActorError> {
    if request.params.is_nullish() {
        return Ok(());
    }
    // Clients' parameters have been measured on the wire; this bounds those of calls within the process.
    let max = shared.limits.params_bytes * MEMORY_FACTOR;
    let size = request.params.size();
    if size > max {
        let max = shared.limits.params_bytes;
        return Err(invalid_params(format!(
            "connection parameters have at most {max} bytes"
        )));
    }
    Ok(())
}

struct Schedule<'a> {
    shared: &'a Shared,
    started_ms: i64,
}

impl Schedule<'_> {
    /// Runs one step with its own deadline and what is left of the deadline of all.
    async fn run<T>(
        &self,
        step: &str,
        future: impl Future<Output = Result<T, Failure>> + Send,
    ) -> Result<T, ActorError> {
        let limits = &self.shared.limits;
        let spent = self.shared.clock.now_ms().saturating_sub(self.started_ms);
        let spent = Duration::from_millis(u64::try_from(spent).unwrap_or(0));
        let left = limits.open_timeout.saturating_sub(spent);
        if left.is_zero() {
            return Err(auth_timeout(step, limits.open_timeout.as_millis()));
        }
        hook(&*self.shared.clock, step, limits.hook_timeout.min(left), future).await
    }
}

/// The audit record of a refusal.
fn audit(cell: &Cell, request: &ConnectRequest, step: &str, error: &ActorError) {
    let peer = request.peer.map(|peer| peer.to_string());
    let code: &str = &error.code;
    cell.audit(
        "security.auth.failed",
        json!({ "step": step, "code": code, "peer": peer }),
    );
}
