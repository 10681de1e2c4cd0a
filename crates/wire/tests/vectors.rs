//! The golden vectors: bytes of stock clients and of the reference servers, against this crate.
//!
//! What a client sent must be read as its `decoded` says. What a reference server sent must be read likewise, and what this
//! crate writes for the same message must be read again as the same. Vectors marked as defects are read, not imitated.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use agentos_value::{ActorError, Object, Value};
use agentos_wire::*;
use bytes::Bytes;

#[test]
fn golden_vectors() {
    let file = json::parse(include_bytes!("data/vectors.json"), &Limits::default()).unwrap();
    let vectors = file.get("vectors").unwrap().as_array().unwrap();
    let mut failed = BTreeSet::new();
    for vector in vectors {
        let name = text_of(vector, "name");
        if let Err(reason) = std::panic::catch_unwind(|| check(vector)) {
            let text = reason.downcast_ref::<String>().cloned().unwrap_or_default();
            eprintln!("{name}: {text}");
            failed.insert(name);
        }
    }
    let listed = include_str!("data/expected-failures.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    let listed: BTreeSet<&str> = listed.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(vectors.len(), 404, "the vectors are all there");
    assert_eq!(failed, listed, "exactly the listed vectors fail");
}

fn check(vector: &Value) {
    if vector.get("target").is_some() {
        check_head(vector);
    }
    let Some(decoded) = vector.get("decoded") else { return };
    let kind = text_of(decoded, "type");
    let read = read(kind, &body(vector), encoding(vector));
    let expected = expected(kind, decoded);
    assert_eq!(read.1, expected, "what was read");
    if let Some(version) = decoded.get("version") {
        assert_eq!(&Value::from(read.0.number()), version, "version");
    }
    let defect = vector.get("defect").is_some();
    if text_of(vector, "direction") == "server-to-client" && !defect {
        let ours = write(&expected, format(vector, read.0));
        assert_eq!(
            self::read(kind, &ours, encoding(vector)).1,
            plain(&expected, vector),
            "what we write, read again"
        );
        if text_of(vector, "client").contains(',') || text_of(vector, "name").contains("server-model") {
            assert_eq!(ours, body(vector), "what our server was seen to send");
        }
    }
    if text_of(vector, "direction") == "client-to-server" {
        let written = write(&expected, format(vector, read.0));
        assert_eq!(
            self::read(kind, &written, encoding(vector)).1,
            expected,
            "what our client writes, read again"
        );
    }
}

/// Any message.
#[derive(Clone, Debug, PartialEq)]
enum Message {
    Action(ActionRequest),
    Queue(QueueSendRequest),
    ToServer(ToServer),
    Output(Value),
    Error(ErrorBody),
    ToClient(ToClient),
}

fn read(kind: &str, bytes: &Bytes, encoding: Encoding) -> (Version, Message) {
    let limits = Limits::default();
    let pair = |version: Version, message| (version, message);
    match kind {
        "HttpActionRequest" => {
            let (version, message) = decode_action_request(bytes, encoding, &limits).unwrap();
            pair(version, Message::Action(message))
        }
        "HttpQueueSendRequest" => {
            let (version, message) = decode_queue_request(bytes, encoding, &limits).unwrap();
            pair(version, Message::Queue(message))
        }
        "ToServer" => {
            let (version, message) = decode_to_server(bytes, encoding, &limits).unwrap();
            if let ToServer::Action { id, .. } = &message {
                assert_eq!(peek_action_id(bytes, encoding), Some(*id), "the id, peeked");
            }
            pair(version, Message::ToServer(message))
        }
        "HttpActionResponse" => {
            let (version, message) = decode_action_response(bytes, encoding, &limits).unwrap();
            pair(version, Message::Output(message))
        }
        "HttpResponseError" => {
            let (version, message) = decode_http_error(bytes, encoding, &limits).unwrap();
            pair(version, Message::Error(message))
        }
        "ToClient" => {
            let (version, message) = decode_to_client(bytes, encoding, &limits).unwrap();
            pair(version, Message::ToClient(message))
        }
        other => panic!("unknown type {other}"),
    }
}

fn write(message: &Message, format: Format) -> Bytes {
    match message {
        Message::Action(request) => format.action_request(&request.args).unwrap(),
        Message::Queue(request) => format.queue_request(request).unwrap(),
        Message::ToServer(message) => format.to_server(message).unwrap(),
        Message::Output(output) => format.action_response(output).unwrap(),
        Message::Error(body) => format.http_error(&body.error, body.actor.as_ref()),
        Message::ToClient(message) => format.to_client(message).unwrap(),
    }
}

/// The message as it arrives: a JSON result is never undefined.
fn plain(message: &Message, vector: &Value) -> Message {
    match (message, encoding(vector)) {
        (Message::Output(Value::Undefined), Encoding::Json) => Message::Output(Value::Null),
        _ => message.clone(),
    }
}

/// How messages of the vector's client are written: a client writes CBOR natively, a server by what its client knows.
fn format(vector: &Value, version: Version) -> Format {
    let modern = text_of(vector, "client").contains("2.3") && text_of(vector, "direction") == "server-to-client";
    let dialect = if modern { Dialect::Modern } else { Dialect::Plain };
    Format::new(encoding(vector), version, dialect)
}

/// The message that a vector's `decoded` describes.
fn expected(kind: &str, decoded: &Value) -> Message {
    // Trees stand under `value`; BARE structs and unions are flat, with the tag among the members.
    let (tag, mut members) = match decoded.get("value") {
        Some(tree) => match tree.get("body").filter(|_| kind.starts_with("To")) {
            Some(body) => (Some(text_of(body, "tag")), object(body.get("val").unwrap())),
            None => (None, object(tree)),
        },
        None => (decoded.get("tag").and_then(Value::as_str), object(decoded)),
    };
    let m = &mut members;
    match (kind, tag) {
        ("HttpActionRequest", _) => Message::Action(ActionRequest { args: array(m, "args") }),
        ("HttpQueueSendRequest", _) => Message::Queue(QueueSendRequest {
            body: take(m, "body"),
            name: optional_text(m, "name"),
            wait: take(m, "wait").as_bool().unwrap(),
            timeout_ms: id(take(m, "timeout")),
        }),
        ("HttpActionResponse", _) => Message::Output(take(m, "output")),
        ("HttpResponseError", _) => Message::Error(error(m)),
        (_, Some("ActionRequest")) => Message::ToServer(ToServer::Action {
            id: id(take(m, "id")).unwrap(),
            name: text(m, "name"),
            args: array(m, "args"),
        }),
        (_, Some("SubscriptionRequest")) => Message::ToServer(ToServer::Subscription {
            event: text(m, "eventName"),
            subscribe: take(m, "subscribe").as_bool().unwrap(),
        }),
        (_, Some("Init")) => Message::ToClient(ToClient::Init {
            actor_id: text(m, "actorId"),
            connection_id: text(m, "connectionId"),
        }),
        (_, Some("Error")) => Message::ToClient(ToClient::Error {
            action_id: id(take(m, "actionId")),
            body: error(m),
        }),
        (_, Some("ActionResponse")) => Message::ToClient(ToClient::Response {
            id: id(take(m, "id")).unwrap(),
            output: take(m, "output"),
        }),
        (_, Some("Event")) => Message::ToClient(ToClient::Event {
            name: text(m, "name"),
            args: array(m, "args"),
        }),
        other => panic!("unknown message {other:?}"),
    }
}

fn error(members: &mut Object) -> ErrorBody {
    let mut error = ActorError::new(text(members, "group"), text(members, "code"), text(members, "message"));
    error.metadata = Some(take(members, "metadata")).filter(|metadata| !metadata.is_nullish());
    let actor = match take(members, "actor") {
        Value::Object(mut actor) => Some(ActorSpecifier {
            actor_id: text(&mut actor, "actorId"),
            generation: id(take(&mut actor, "generation")).unwrap(),
            key: optional_text(&mut actor, "key"),
        }),
        _ => None,
    };
    ErrorBody { error, actor }
}

/// The head of a request: its address, its subprotocols, its connection parameters, or its place in the control API.
fn check_head(vector: &Value) {
    let header = |name: &str| vector.get("headers")?.get(name)?.as_str();
    let target = text_of(vector, "target");
    // Header values are shown as text; on the wire their octets are ISO 8859-1.
    let params: Option<Vec<u8>> =
        header("x-rivet-conn-params").map(|text| text.chars().map(|c| u8::try_from(c).unwrap()).collect());
    decode_header_params(params.as_deref()).unwrap();
    let offer = Subprotocols::parse(header("sec-websocket-protocol"));
    if header("upgrade").is_some() {
        assert!(offer.rivet);
        assert_eq!(offer.encoding(), Some(encoding(vector)));
        offer.params().unwrap();
    }
    if let Some((_, query)) = target.split_once('?').filter(|(path, _)| *path == "/actors") {
        let list = ListQuery::parse(query).unwrap();
        assert!(list.namespace.is_some());
        match text_of(vector, "method") {
            "GET" => assert!(list.actor_ids.is_some() || list.name.is_some()),
            _ => drop(decode_create_request(&body(vector), format(vector, Version::NEWEST).dialect, true).unwrap()),
        }
        return;
    }
    if target.starts_with("/metadata") {
        return;
    }
    let hints = Hints {
        target: header("x-rivet-target"),
        actor: header("x-rivet-actor"),
        skip_ready_wait: header("x-rivet-skip-ready-wait") == Some("1"),
    };
    let parsed = Target::parse(target, &hints).unwrap().expect("an actor's address");
    assert!(!parsed.path.contains("rvt-"));
    match &parsed.address {
        Address::Id(id) => assert!(!target.contains("rvt-") && !id.is_empty()),
        Address::Query(query) => assert!(target.starts_with(&format!("/gateway/{}", query.name))),
    }
    if let (Some(token), Some(header)) = (&parsed.token, header("x-rivet-token")) {
        assert_eq!(token, header);
    }
}

/// The encoding of a vector's body: that of its client, but JSON where the headers say so.
fn encoding(vector: &Value) -> Encoding {
    if vector.get("headers").and_then(|headers| headers.get("content-type")) == Some(&Value::from("application/json")) {
        return Encoding::Json;
    }
    Encoding::parse(text_of(vector, "encoding")).unwrap()
}

fn body(vector: &Value) -> Bytes {
    match vector.get("body_hex") {
        Some(hex) => unhex(hex.as_str().unwrap()),
        None => text_of(vector, "body_text").to_owned().into(),
    }
}

fn unhex(hex: &str) -> Bytes {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect::<Vec<_>>()
        .into()
}

/// A value in the notation of the vectors.
fn value(noted: &Value) -> Value {
    let members = match noted {
        Value::Array(items) => return Value::Array(items.iter().map(value).collect()),
        Value::Object(members) => members,
        scalar => return scalar.clone(),
    };
    let items = |name: &str| members.get(name).unwrap().as_array().unwrap();
    match members.get("~").map(|kind| kind.as_str().unwrap()) {
        None => Value::object(members.iter().map(|(name, member)| (name, value(member)))),
        Some("undefined") => Value::Undefined,
        Some("bytes") => Value::Bytes(unhex(text_of(noted, "hex"))),
        Some("arraybuffer") => Value::ArrayBuffer(unhex(text_of(noted, "hex"))),
        Some("bigint") => Value::BigInt(text_of(noted, "dec").parse().unwrap()),
        Some("date") => Value::Date(members.get("ms").unwrap().as_f64().unwrap()),
        Some("set") => Value::Set(items("items").iter().map(value).collect()),
        Some("map") => Value::Map(items("entries").iter().map(pair).collect()),
        Some(other) => panic!("unknown notation {other}"),
    }
}

fn pair(noted: &Value) -> (Value, Value) {
    let pair = noted.as_array().unwrap();
    (value(&pair[0]), value(&pair[1]))
}

fn text_of<'a>(noted: &'a Value, member: &str) -> &'a str {
    noted.get(member).unwrap().as_str().unwrap()
}

fn object(json: &Value) -> Object {
    match value(json) {
        Value::Object(members) => members,
        other => panic!("not an object: {other:?}"),
    }
}

fn take(members: &mut Object, name: &str) -> Value {
    members.remove(name).unwrap_or(Value::Undefined)
}

fn text(members: &mut Object, name: &str) -> String {
    optional_text(members, name).unwrap()
}

fn optional_text(members: &mut Object, name: &str) -> Option<String> {
    take(members, name).as_str().map(str::to_owned)
}

fn array(members: &mut Object, name: &str) -> Vec<Value> {
    take(members, name).as_array().unwrap().to_vec()
}

fn id(value: Value) -> Option<u64> {
    match value {
        Value::Int(id) => Some(id.try_into().unwrap()),
        Value::BigInt(id) => Some(id.try_into().unwrap()),
        _ => None,
    }
}
