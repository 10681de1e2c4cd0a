//! Addresses of actors.
//!
//! A request reaches an actor in one of three forms: the *direct* form `/gateway/{id}[@{token}]/..`, the *query* form
//! `/gateway/{name}/..?rvt-namespace=..&rvt-method=..`, and the *header* form, where headers or subprotocols name the actor
//! and the path is the actor's own. A `/gateway/` path always wins over headers.
//!
//! Everything is split before it is decoded, and decoded once, so that an escaped separator never separates. Parameters
//! of the query form are removed from what the actor sees; all other bytes reach it as they came.

mod query;

pub use query::{ActorQuery, CrashPolicy, QueryMethod};

use percent_encoding::percent_decode_str;

use crate::WireError;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The actor.
    pub address: Address,
    /// The gateway token within the address. Never to be logged.
    pub token: Option<String>,
    /// The path that the actor sees, with its query: `/action/increment`, `/request/hello?x=1`.
    pub path: String,
    /// Whether to deliver during start-up and shutdown instead of holding the request.
    pub skip_ready_wait: bool,
}

/// How an address names the actor.
#[derive(Clone, Debug, PartialEq)]
pub enum Address {
    /// By id. Any text: whoever looks it up finds out whether it can be one.
    Id(String),
    /// By name and key.
    Query(ActorQuery),
}

/// What headers (`x-rivet-target`, `x-rivet-actor`, `x-rivet-skip-ready-wait`) or subprotocols say about the address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints<'a> {
    /// What is addressed; only `actor` is.
    pub target: Option<&'a str>,
    /// The actor's id.
    pub actor: Option<&'a str>,
    /// Whether to deliver during start-up and shutdown.
    pub skip_ready_wait: bool,
}

/// The prefix of both forms that are paths.
const GATEWAY: &str = "/gateway/";

impl Target {
    /// The address in a raw request target (path and query as they came, without the base path of the server), or
    /// nothing when it leads to no actor.
    ///
    /// # Errors
    /// [`WireError::NoRoute`] for a `/gateway/` path that can lead nowhere, [`WireError::Query`] for a bad query form.
    pub fn parse(raw: &str, hints: &Hints<'_>) -> Result<Option<Self>, WireError> {
        let (path, query) = match raw.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (raw, None),
        };
        let Some(rest) = path.strip_prefix(GATEWAY) else {
            return Self::of_hints(raw, path, hints);
        };
        if path.contains("//") {
            return Err(WireError::NoRoute);
        }
        let (segment, actor_path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let skip_ready_wait = hints.skip_ready_wait;
        if let Some(query) = query.filter(|query| query.split('&').any(query::is_ours)) {
            let parsed = query::parse(segment, query)?;
            return Ok(Some(Self {
                path: join(actor_path, parsed.forwarded.as_deref()),
                address: Address::Query(parsed.query),
                token: parsed.token,
                skip_ready_wait: skip_ready_wait || parsed.skip_ready_wait,
            }));
        }
        let (id, token) = direct(segment)?;
        Ok(Some(Self {
            address: Address::Id(id),
            token,
            path: join(actor_path, query),
            skip_ready_wait,
        }))
    }

    /// Whether the address is of the query form, which only clients of version 2.3 and later use.
    pub const fn is_query_form(&self) -> bool {
        matches!(self.address, Address::Query(_))
    }

    fn of_hints(raw: &str, path: &str, hints: &Hints<'_>) -> Result<Option<Self>, WireError> {
        let Some(actor) = hints.actor.filter(|id| !id.is_empty() && hints.target == Some("actor")) else {
            return Ok(None);
        };
        let for_actors = path == "/connect"
            || ["/request", "/websocket"].iter().any(|prefix| {
                path.strip_prefix(prefix)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
        if !for_actors {
            return Ok(None);
        }
        if path.contains("//") {
            return Err(WireError::NoRoute);
        }
        Ok(Some(Self {
            address: Address::Id(actor.to_owned()),
            token: None,
            path: raw.to_owned(),
            skip_ready_wait: hints.skip_ready_wait,
        }))
    }
}

/// The id and the token of a segment of the direct form.
fn direct(segment: &str) -> Result<(String, Option<String>), WireError> {
    let decoded = |half: &str| {
        let text = percent_decode_str(half).decode_utf8().map_err(|_| WireError::NoRoute)?;
        if text.is_empty() {
            Err(WireError::NoRoute)
        } else {
            Ok(text.into_owned())
        }
    };
    match segment.split_once('@') {
        Some((id, token)) => Ok((decoded(id)?, Some(decoded(token)?))),
        None => Ok((decoded(segment)?, None)),
    }
}

fn join(path: &str, query: Option<&str>) -> String {
    match query {
        Some(query) => [path, "?", query].concat(),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests;
