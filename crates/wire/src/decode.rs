//! Reading messages.

use agentos_value::{ActorError, Object, Value, cbor};
use bytes::Bytes;

use crate::bare::Reader;
use crate::message::{action_tag, client_tag};
use crate::{
    ActionRequest, ActorSpecifier, Encoding, ErrorBody, Limits, QueueSendRequest, QueueSendResponse, QueueStatus,
    ToClient, ToServer, Version, WireError, compat, json,
};

/// A message with the version that it came in.
type Read<T> = Result<(Version, T), WireError>;

/// The version of a message, for answers to messages that cannot be read any further.
pub fn peek_version(message: &[u8], encoding: Encoding) -> Version {
    match (encoding, message) {
        (Encoding::Bare, [low, high, ..]) => Version::new(u16::from_le_bytes([*low, *high])),
        _ => None,
    }
    .unwrap_or(Version::UNREADABLE)
}

/// The action id in the first bytes of a frame that is too long to be read, if they show one.
pub fn peek_action_id(start: &[u8], encoding: Encoding) -> Option<u64> {
    let start = &start[..start.len().min(PEEK_BYTES)];
    match encoding {
        Encoding::Bare => {
            let bytes = Bytes::copy_from_slice(start);
            let mut reader = Reader::new(&bytes);
            version(&mut reader).ok()?;
            (reader.byte().ok()? == action_tag::ACTION).then(|| reader.uint().ok())?
        }
        Encoding::Json => {
            let text = after(start, b"\"id\":")?;
            let digits = text.strip_prefix(b"[\"$BigInt\",\"").unwrap_or(text);
            let length = digits.iter().position(|byte| !byte.is_ascii_digit())?;
            std::str::from_utf8(&digits[..length]).ok()?.parse().ok()
        }
        Encoding::Cbor => {
            let bytes = after(start, b"\x62id")?;
            let width = match bytes.first()? {
                0..=0x17 => 1,
                0x18 => 2,
                0x19 => 3,
                0x1a => 5,
                0x1b => 9,
                _ => return None,
            };
            id(cbor::decode(&Bytes::copy_from_slice(bytes.get(..width)?), cbor::Limits::default()).ok()?)
        }
    }
}

/// Bytes in which clients place the id of an action, generously.
const PEEK_BYTES: usize = 256;

fn after<'a>(bytes: &'a [u8], pattern: &[u8]) -> Option<&'a [u8]> {
    let at = bytes.windows(pattern.len()).position(|window| window == pattern)?;
    bytes.get(at + pattern.len()..)
}

/// The body of `POST /action/{name}`.
///
/// # Errors
/// Whatever is wrong with the first bad byte; none of these bodies may reach an actor.
pub fn decode_action_request(body: &Bytes, encoding: Encoding, limits: &Limits) -> Read<ActionRequest> {
    if encoding == Encoding::Bare {
        return bare(body, |reader, version| {
            Ok(ActionRequest {
                args: args(bare_value(reader, version, limits)?),
            })
        });
    }
    let mut members = tree(body, encoding, limits)?;
    Ok((
        Version::UNREADABLE,
        ActionRequest {
            args: args(member(&mut members, "args")),
        },
    ))
}

/// The body of `POST /queue/{name}`.
///
/// # Errors
/// As [`decode_action_request`].
pub fn decode_queue_request(body: &Bytes, encoding: Encoding, limits: &Limits) -> Read<QueueSendRequest> {
    if encoding == Encoding::Bare {
        return bare(body, |reader, version| {
            let body = bare_value(reader, version, limits)?;
            let name = reader.optional(Reader::str)?;
            let wait = reader.optional(Reader::bool)?.unwrap_or(false);
            Ok(QueueSendRequest {
                body,
                name,
                wait,
                timeout_ms: reader.optional(Reader::u64)?,
            })
        });
    }
    let mut members = tree(body, encoding, limits)?;
    let wait = match member(&mut members, "wait") {
        Value::Bool(wait) => wait,
        value if value.is_nullish() => false,
        _ => return Err(WireError::Malformed("wait is no boolean")),
    };
    let timeout_ms = match member(&mut members, "timeout") {
        value if value.is_nullish() => None,
        value => Some(id(value).ok_or(WireError::Malformed("timeout is no unsigned integer"))?),
    };
    let name = optional_text(&mut members, "name")?;
    Ok((
        Version::UNREADABLE,
        QueueSendRequest {
            body: member(&mut members, "body"),
            name,
            wait,
            timeout_ms,
        },
    ))
}

/// A frame from a client.
///
/// # Errors
/// As [`decode_action_request`].
pub fn decode_to_server(frame: &Bytes, encoding: Encoding, limits: &Limits) -> Read<ToServer> {
    if encoding == Encoding::Bare {
        return bare(frame, |reader, version| match reader.byte()? {
            action_tag::ACTION => {
                let (id, name) = (reader.uint()?, reader.str()?);
                Ok(ToServer::Action {
                    id,
                    name,
                    args: args(bare_value(reader, version, limits)?),
                })
            }
            action_tag::SUBSCRIPTION => Ok(ToServer::Subscription {
                event: reader.str()?,
                subscribe: reader.bool()?,
            }),
            _ => Err(UNKNOWN_TAG),
        });
    }
    let (tag, mut members) = envelope(tree(frame, encoding, limits)?)?;
    let message = match tag.as_str() {
        "ActionRequest" => ToServer::Action {
            id: id(member(&mut members, "id")).ok_or(WireError::Malformed("id is no unsigned integer"))?,
            name: text(&mut members, "name")?,
            args: args(member(&mut members, "args")),
        },
        "SubscriptionRequest" => ToServer::Subscription {
            event: text(&mut members, "eventName")?,
            subscribe: member(&mut members, "subscribe")
                .as_bool()
                .ok_or(WireError::Malformed("subscribe is no boolean"))?,
        },
        _ => return Err(UNKNOWN_TAG),
    };
    Ok((Version::UNREADABLE, message))
}

/// The body that answers an action, as a client reads it. Like the other readers for clients it revives compat tags in
/// every encoding, as clients of version 2.3 do; servers that write [`crate::Dialect::Modern`] count on that.
///
/// # Errors
/// As [`decode_action_request`].
pub fn decode_action_response(body: &Bytes, encoding: Encoding, limits: &Limits) -> Read<Value> {
    if encoding == Encoding::Bare {
        return bare(body, |reader, version| bare_value(reader, version, limits));
    }
    let mut members = revived_tree(body, encoding, limits)?;
    Ok((Version::UNREADABLE, member(&mut members, "output")))
}

/// The body that answers a queue send, as a client reads it.
///
/// # Errors
/// As [`decode_action_request`].
pub fn decode_queue_response(body: &Bytes, encoding: Encoding, limits: &Limits) -> Read<QueueSendResponse> {
    let status = |name: &str| match name {
        "completed" => Ok(QueueStatus::Completed),
        "timedOut" => Ok(QueueStatus::TimedOut),
        _ => Err(WireError::Malformed("unknown status")),
    };
    if encoding == Encoding::Bare {
        return bare(body, |reader, version| {
            let status = status(&reader.str()?)?;
            let response = reader.optional(|reader| bare_value(reader, version, limits))?;
            Ok(QueueSendResponse { status, response })
        });
    }
    let mut members = revived_tree(body, encoding, limits)?;
    let status = status(&text(&mut members, "status")?)?;
    Ok((
        Version::UNREADABLE,
        QueueSendResponse {
            status,
            response: members.remove("response"),
        },
    ))
}

/// The body of an error, as a client reads it.
///
/// # Errors
/// As [`decode_action_request`].
pub fn decode_http_error(body: &Bytes, encoding: Encoding, limits: &Limits) -> Read<ErrorBody> {
    if encoding == Encoding::Bare {
        return bare(body, |reader, version| {
            let error = bare_error(reader, version, limits)?;
            Ok(ErrorBody {
                error,
                actor: bare_specifier(reader, version)?,
            })
        });
    }
    Ok((
        Version::UNREADABLE,
        tree_error(&mut revived_tree(body, encoding, limits)?)?,
    ))
}

/// A frame from a server, as a client reads it.
///
/// # Errors
/// As [`decode_action_request`].
pub fn decode_to_client(frame: &Bytes, encoding: Encoding, limits: &Limits) -> Read<ToClient> {
    if encoding == Encoding::Bare {
        return bare(frame, |reader, version| bare_to_client(reader, version, limits));
    }
    let (tag, mut members) = envelope(revived_tree(frame, encoding, limits)?)?;
    let message = match tag.as_str() {
        "Init" => ToClient::Init {
            actor_id: text(&mut members, "actorId")?,
            connection_id: text(&mut members, "connectionId")?,
        },
        "Error" => ToClient::Error {
            action_id: id(member(&mut members, "actionId")),
            body: tree_error(&mut members)?,
        },
        "ActionResponse" => ToClient::Response {
            id: id(member(&mut members, "id")).ok_or(WireError::Malformed("id is no unsigned integer"))?,
            output: member(&mut members, "output"),
        },
        "Event" => ToClient::Event {
            name: text(&mut members, "name")?,
            args: args(member(&mut members, "args")),
        },
        _ => return Err(UNKNOWN_TAG),
    };
    Ok((Version::UNREADABLE, message))
}

const UNKNOWN_TAG: WireError = WireError::Malformed("unknown kind of message");

fn bare_to_client(reader: &mut Reader<'_>, version: Version, limits: &Limits) -> Result<ToClient, WireError> {
    match reader.byte()? {
        client_tag::INIT => {
            let message = ToClient::Init {
                actor_id: reader.str()?,
                connection_id: reader.str()?,
            };
            if version == Version::ALL[0] {
                reader.str()?;
            }
            Ok(message)
        }
        client_tag::ERROR => {
            let error = bare_error(reader, version, limits)?;
            let action_id = reader.optional(Reader::uint)?;
            Ok(ToClient::Error {
                body: ErrorBody {
                    error,
                    actor: bare_specifier(reader, version)?,
                },
                action_id,
            })
        }
        client_tag::RESPONSE => Ok(ToClient::Response {
            id: reader.uint()?,
            output: bare_value(reader, version, limits)?,
        }),
        client_tag::EVENT => Ok(ToClient::Event {
            name: reader.str()?,
            args: args(bare_value(reader, version, limits)?),
        }),
        _ => Err(UNKNOWN_TAG),
    }
}

fn bare_error(reader: &mut Reader<'_>, version: Version, limits: &Limits) -> Result<ActorError, WireError> {
    let mut error = ActorError::new(reader.str()?, reader.str()?, reader.str()?);
    error.metadata = reader.optional(|reader| bare_value(reader, version, limits))?;
    Ok(error)
}

fn bare_specifier(reader: &mut Reader<'_>, version: Version) -> Result<Option<ActorSpecifier>, WireError> {
    if version < Version::NEWEST {
        return Ok(None);
    }
    reader.optional(|reader| {
        Ok(ActorSpecifier {
            actor_id: reader.str()?,
            generation: reader.uint()?,
            key: reader.optional(Reader::str)?,
        })
    })
}

/// A BARE message: its version, its struct, and nothing after it.
fn bare<T>(message: &Bytes, read: impl FnOnce(&mut Reader<'_>, Version) -> Result<T, WireError>) -> Read<T> {
    let mut reader = Reader::new(message);
    let version = version(&mut reader)?;
    let read = read(&mut reader, version)?;
    reader.finish()?;
    Ok((version, read))
}

fn version(reader: &mut Reader<'_>) -> Result<Version, WireError> {
    let number = reader.u16()?;
    Version::new(number).ok_or(WireError::Version(number))
}

/// A CBOR value within a BARE message; compat tags are revived from version 4 on.
fn bare_value(reader: &mut Reader<'_>, version: Version, limits: &Limits) -> Result<Value, WireError> {
    let mut value = cbor::decode(&reader.data()?, limits.cbor())?;
    if version >= Version::NEWEST {
        compat::revive(&mut value);
    }
    Ok(value)
}

/// Levels that the message itself adds to those of the values in it: the frame, its body, and the members.
const ENVELOPE_LEVELS: usize = 3;

/// The members of a message in JSON, where compat tags are revived, or CBOR, where they are not.
fn tree(message: &Bytes, encoding: Encoding, limits: &Limits) -> Result<Object, WireError> {
    let limits = &Limits {
        depth: limits.depth + ENVELOPE_LEVELS,
        ..*limits
    };
    let value = match encoding {
        Encoding::Json => {
            let mut value = json::parse(message, limits)?;
            compat::revive(&mut value);
            value
        }
        Encoding::Bare | Encoding::Cbor => cbor::decode(message, limits.cbor())?,
    };
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(WireError::Malformed("the message is no object")),
    }
}

/// The members of a message with compat tags revived whatever the encoding.
fn revived_tree(message: &Bytes, encoding: Encoding, limits: &Limits) -> Result<Object, WireError> {
    let mut members = tree(message, encoding, limits)?;
    if encoding == Encoding::Cbor {
        members.values_mut().for_each(compat::revive);
    }
    Ok(members)
}

/// The tag and the members of a frame that is a tree.
fn envelope(mut frame: Object) -> Result<(String, Object), WireError> {
    let Value::Object(mut body) = member(&mut frame, "body") else {
        return Err(WireError::Malformed("body is no object"));
    };
    let Value::Object(members) = member(&mut body, "val") else {
        return Err(WireError::Malformed("val is no object"));
    };
    Ok((text(&mut body, "tag")?, members))
}

fn tree_error(members: &mut Object) -> Result<ErrorBody, WireError> {
    let mut error = ActorError::new(
        text(members, "group")?,
        text(members, "code")?,
        text(members, "message")?,
    );
    error.metadata = members
        .remove("metadata")
        .filter(|metadata| *metadata != Value::Undefined);
    let actor = match member(members, "actor") {
        Value::Object(mut actor) => Some(ActorSpecifier {
            actor_id: text(&mut actor, "actorId")?,
            generation: id(member(&mut actor, "generation"))
                .ok_or(WireError::Malformed("generation is no unsigned integer"))?,
            key: optional_text(&mut actor, "key")?,
        }),
        _ => None,
    };
    Ok(ErrorBody { error, actor })
}

/// A member, undefined when it is missing.
fn member(members: &mut Object, name: &str) -> Value {
    members.remove(name).unwrap_or(Value::Undefined)
}

fn text(members: &mut Object, name: &'static str) -> Result<String, WireError> {
    optional_text(members, name)?.ok_or(WireError::Malformed("a text is missing"))
}

fn optional_text(members: &mut Object, name: &'static str) -> Result<Option<String>, WireError> {
    match member(members, name) {
        Value::Text(text) => Ok(Some(text)),
        value if value.is_nullish() => Ok(None),
        _ => Err(WireError::Malformed("a member that should be text is none")),
    }
}

/// An unsigned integer, number or BigInt.
fn id(value: Value) -> Option<u64> {
    match value {
        Value::Int(id) => id.try_into().ok(),
        Value::BigInt(id) => id.try_into().ok(),
        _ => None,
    }
}

/// Arguments: an array as it is, none for null, anything else as the only one.
fn args(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        value if value.is_nullish() => Vec::new(),
        value => vec![value],
    }
}
