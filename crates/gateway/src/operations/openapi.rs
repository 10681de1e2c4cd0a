//! `/openapi.json`: the plain JSON routes of the gateway as an OpenAPI 3.1 document.
//!
//! [`ROUTES`] is the table that it is made from; a test asks a gateway for each row, and for every method that a row does not
//! have. The WebSocket and the other encodings are in docs/protocol.md, since OpenAPI has no words for them.

use agentos_actor::Registry;
use serde_json::{Map, Value, json};

/// One operation.
#[derive(Clone, Copy, Debug)]
pub struct RouteRow {
    /// The HTTP method, in lower case.
    pub method: &'static str,
    /// The path, with parameters in braces.
    pub path: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// Names of its query parameters.
    pub query: &'static [&'static str],
    /// The schema of its body, if it takes one.
    pub body: Option<&'static str>,
    /// The schema of its answer.
    pub answer: &'static str,
    /// Whether it needs the gateway's token, or a peer on the server's machine if there is no token.
    pub administrative: bool,
}

const fn row(method: &'static str, path: &'static str, summary: &'static str, answer: &'static str) -> RouteRow {
    RouteRow {
        method,
        path,
        summary,
        query: &[],
        body: None,
        answer,
        administrative: false,
    }
}

impl RouteRow {
    const fn query(mut self, query: &'static [&'static str]) -> Self {
        self.query = query;
        self
    }

    const fn body(mut self, body: &'static str) -> Self {
        self.body = Some(body);
        self
    }

    const fn administrative(mut self) -> Self {
        self.administrative = true;
        self
    }
}

const ACTION: &str = "/gateway/{actorId}/action/{name}";

/// The operations.
pub const ROUTES: &[RouteRow] = &[
    row("get", "/metadata", "What the server is.", "About"),
    row("get", "/health", "Whether the server lives.", "About"),
    row(
        "get",
        "/actors",
        "Looks actors up by id, or by name and key; without these it is administrative.",
        "Actors",
    )
    .query(&["namespace", "actor_ids", "name", "key"]),
    row(
        "put",
        "/actors",
        "Finds the actor with a name and a key, or reserves an id for it.",
        "ActorCreated",
    )
    .query(&["namespace"])
    .body("ActorRequest"),
    row("post", "/actors", "Reserves an id for a new actor.", "ActorOnly")
        .query(&["namespace"])
        .body("ActorRequest"),
    row(
        "delete",
        "/actors/{actorId}",
        "Ends an actor and removes its data.",
        "Empty",
    )
    .query(&["namespace"])
    .administrative(),
    row("post", ACTION, "Runs one action of an actor.", "ActionResult").body("ActionCall"),
    row("get", "/metrics", "Metrics in the text format of Prometheus.", "Text").administrative(),
    row("get", "/openapi.json", "This document.", "Document").administrative(),
];

/// The document for the actors of `registry`.
pub fn document(registry: &Registry) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for row in ROUTES {
        let path = paths.entry(row.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(row.method.to_owned(), operation(row, registry));
        }
    }
    let actions: Map<String, Value> = registry
        .definitions()
        .into_iter()
        .map(|definition| (definition.name, json!(definition.actions)))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": { "title": "agentOS", "version": env!("CARGO_PKG_VERSION") },
        "security": [{}, { "bearer": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas(),
        },
        "x-agentos-actions": actions,
    })
}

fn operation(row: &RouteRow, registry: &Registry) -> Value {
    let query = row
        .query
        .iter()
        .map(|name| json!({ "name": name, "in": "query", "schema": { "type": "string" } }));
    let parameters: Vec<Value> = path_parameters(row, registry).into_iter().chain(query).collect();
    let content = match row.answer {
        "Text" => json!({ "application/openmetrics-text": { "schema": { "type": "string" } } }),
        answer => json!({ "application/json": { "schema": reference(answer) } }),
    };
    let failure =
        json!({ "description": "An error", "content": { "application/json": { "schema": reference("Error") } } });
    let mut operation = json!({
        "summary": row.summary,
        "parameters": parameters,
        "responses": { "200": { "description": "Done", "content": content }, "default": failure },
    });
    if let Some(body) = row.body {
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": reference(body) } } });
    }
    if row.administrative {
        operation["security"] = json!([{ "bearer": [] }]);
        operation["description"] = json!("Without a configured token: for peers on the server's own machine only.");
    }
    operation
}

fn path_parameters(row: &RouteRow, registry: &Registry) -> Vec<Value> {
    let names = row
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name: &str| {
        let mut schema = json!({ "type": "string" });
        if name == "name" {
            let mut known: Vec<String> = registry.definitions().into_iter().flat_map(|one| one.actions).collect();
            known.sort();
            known.dedup();
            if !known.is_empty() {
                schema["examples"] = json!(known);
            }
        }
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    };
    names.map(parameter).collect()
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn object(required: &[&str], properties: &Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

fn schemas() -> Value {
    let (text, time) = (
        json!({ "type": "string" }),
        json!({ "type": ["integer", "null"], "description": "Milliseconds since 1970" }),
    );
    let actor = object(
        &["actor_id", "name", "key", "namespace_id", "create_ts"],
        &json!({
            "actor_id": text, "name": text, "namespace_id": text, "runner_name_selector": text, "crash_policy": text,
            "key": { "type": "string", "description": "Parts joined by /, with \\ before / and \\ inside of them" },
            "create_ts": time, "connectable_ts": time, "start_ts": time, "sleep_ts": time, "destroy_ts": time,
        }),
    );
    json!({
        "About": object(&["runtime", "version"], &json!({ "runtime": text, "version": text, "status": text })),
        "Actor": actor,
        "Actors": object(&["actors"], &json!({ "actors": { "type": "array", "items": reference("Actor") } })),
        "ActorOnly": object(&["actor"], &json!({ "actor": reference("Actor") })),
        "ActorCreated": object(&["actor", "created"], &json!({ "actor": reference("Actor"), "created": { "type": "boolean" } })),
        "ActorRequest": object(&["name", "key"], &json!({
            "name": text, "key": text, "runner_name_selector": text, "crash_policy": text,
            "input": { "type": "string", "contentEncoding": "base64", "contentMediaType": "application/cbor" },
        })),
        "ActionCall": object(&["args"], &json!({ "args": { "type": "array" } })),
        "ActionResult": object(&["output"], &json!({ "output": {} })),
        "Document": { "type": "object" },
        "Empty": { "type": "object" },
        "Error": object(&["group", "code", "message"], &json!({ "group": text, "code": text, "message": text, "metadata": {} })),
    })
}
