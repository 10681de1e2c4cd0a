//! The control API: making, finding and removing actors, always in JSON.

use agentos_value::{ActorError, Key, Value, cbor, check_name};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Dialect, Encoding, Format, Version, WireError, compat};

/// Bytes of a new actor's input, at most.
pub const MAX_INPUT_BYTES: usize = 4 << 20;

/// An actor as the control API shows it. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActorRecord {
    /// Its id.
    pub actor_id: String,
    /// Its name.
    pub name: String,
    /// Its serialized key.
    pub key: String,
    /// Its namespace.
    pub namespace_id: String,
    /// The pool that it was created for.
    pub runner_name_selector: String,
    /// What a crash does to it, as its creator said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash_policy: Option<String>,
    /// When it was created.
    pub create_ts: i64,
    /// Since when it has been taking connections.
    pub connectable_ts: Option<i64>,
    /// When it last started.
    pub start_ts: Option<i64>,
    /// Since when it has been asleep.
    pub sleep_ts: Option<i64>,
    /// When it was destroyed.
    pub destroy_ts: Option<i64>,
}

/// The answer to `PUT /actors`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GetOrCreateResponse {
    /// The actor.
    pub actor: ActorRecord,
    /// Whether this request created it.
    pub created: bool,
}

/// The answer to `POST /actors`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreateResponse {
    /// The actor.
    pub actor: ActorRecord,
}

/// The answer to `GET /actors`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListResponse {
    /// The actors.
    pub actors: Vec<ActorRecord>,
}

/// The body of an answer.
pub fn encode_control(answer: &impl Serialize) -> Bytes {
    // The answers above consist of texts, numbers and booleans, which JSON always holds.
    serde_json::to_vec(answer).unwrap_or_default().into()
}

/// The body of an error of the control API.
pub fn encode_control_error(error: &ActorError) -> Bytes {
    Format::new(Encoding::Json, Version::NEWEST, Dialect::Plain).http_error(error, None)
}

/// The body of `PUT /actors` and `POST /actors`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateRequest {
    /// The actor's name.
    pub name: String,
    /// Its key.
    pub key: Key,
    /// The pool that it shall run in. Stored, not enforced.
    pub runner_name_selector: Option<String>,
    /// What a crash shall do to it. Stored, not enforced.
    pub crash_policy: Option<String>,
    /// What it is given.
    pub input: Option<Value>,
    /// Where it shall run. Not enforced.
    pub datacenter: Option<String>,
}

#[derive(Deserialize)]
struct RawCreateRequest {
    name: String,
    key: Option<String>,
    runner_name_selector: Option<String>,
    crash_policy: Option<String>,
    input: Option<String>,
    datacenter: Option<String>,
}

/// Reads the body of `PUT /actors` and `POST /actors`. Clients of version 2.3 put compat tags into the input, earlier ones do
/// not, so that the dialect matters. `allow_ambiguous` admits keys whose parts are empty or contain
/// commas, for installations without clients that address by query.
///
/// # Errors
/// `actor/invalid_request` for a body of another shape, `actor/invalid_params` for a bad name, key or input.
pub fn decode_create_request(
    body: &[u8],
    dialect: Dialect,
    allow_ambiguous: bool,
) -> Result<CreateRequest, ActorError> {
    let raw: RawCreateRequest =
        serde_json::from_slice(body).map_err(|error| WireError::Json(error.to_string()).to_actor_error())?;
    let invalid = |message: String| ActorError::actor("invalid_params", message);
    check_name(&raw.name).map_err(|error| invalid(error.to_string()))?;
    let key = Key::parse(raw.key.as_deref().unwrap_or("/"));
    key.check(allow_ambiguous).map_err(|error| invalid(error.to_string()))?;
    let mut input = raw.input.map(|text| decode_input(&text)).transpose().map_err(invalid)?;
    if dialect == Dialect::Modern {
        input.iter_mut().for_each(compat::revive);
    }
    Ok(CreateRequest {
        name: raw.name,
        key,
        runner_name_selector: raw.runner_name_selector,
        crash_policy: raw.crash_policy,
        input,
        datacenter: raw.datacenter,
    })
}

fn decode_input(text: &str) -> Result<Value, String> {
    if text.len() / 4 * 3 > MAX_INPUT_BYTES {
        return Err(format!("input is longer than {MAX_INPUT_BYTES} bytes"));
    }
    let bytes = STANDARD.decode(text).map_err(|_| "input is not base64".to_owned())?;
    cbor::decode(&bytes.into(), cbor::Limits::default()).map_err(|error| format!("input is not CBOR: {error}"))
}

/// The query of `GET /actors`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListQuery {
    /// The namespace.
    pub namespace: Option<String>,
    /// The ids that are asked for; nothing when none are named.
    pub actor_ids: Option<Vec<String>>,
    /// The name that is asked for.
    pub name: Option<String>,
    /// The key that is asked for.
    pub key: Option<Key>,
}

impl ListQuery {
    /// Reads a raw query, without its question mark. Unknown parameters are ignored, as is what later servers may know.
    ///
    /// # Errors
    /// `actor/invalid_params` for a parameter that occurs twice, and for more than 100 ids.
    pub fn parse(query: &str) -> Result<Self, ActorError> {
        let mut list = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let twice = match name.as_ref() {
                "namespace" => list.namespace.replace(value.into_owned()).is_some(),
                "name" => list.name.replace(value.into_owned()).is_some(),
                "key" => list.key.replace(Key::parse(&value)).is_some(),
                "actor_ids" | "actor_id" => {
                    let ids = list.actor_ids.get_or_insert_default();
                    ids.extend(value.split(',').map(str::to_owned));
                    ids.len() > MAX_LISTED_IDS
                }
                _ => false,
            };
            if twice {
                return Err(ActorError::actor(
                    "invalid_params",
                    format!("too many values for {}", known(&name)),
                ));
            }
        }
        Ok(list)
    }
}

/// Ids in one question, at most.
const MAX_LISTED_IDS: usize = 100;

/// The name of a parameter for a text, which shall not repeat what a client made up.
fn known(name: &str) -> &'static str {
    ["namespace", "name", "key"]
        .into_iter()
        .find(|known| *known == name)
        .unwrap_or("actor_ids")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8], allow_ambiguous: bool) -> Result<CreateRequest, ActorError> {
        decode_create_request(body, Dialect::Plain, allow_ambiguous)
    }

    #[test]
    fn inputs_hold_tags_if_the_client_writes_them() {
        let input = Value::Array(vec!["$Uint8Array".into(), "CQg=".into()]);
        let text = STANDARD.encode(cbor::encode(&input, cbor::Style::Native).unwrap());
        let body = format!(r#"{{"name":"c","input":"{text}"}}"#);
        let input_of = |dialect| {
            decode_create_request(body.as_bytes(), dialect, false)
                .unwrap()
                .input
                .unwrap()
        };
        assert_eq!(input_of(Dialect::Plain), input);
        assert_eq!(input_of(Dialect::Modern), Value::Bytes(vec![9, 8].into()));
    }

    #[test]
    fn create_requests() {
        let body = br#"{"name":"counter","key":"a/b\\/c","runner_name_selector":"default","input":"uQABYXgB","crash_policy":"sleep"}"#;
        let request = read(body, false).unwrap();
        assert_eq!(request.key, Key::new(["a", "b/c"]));
        assert_eq!(request.input, Some(Value::object([("x", 1)])));
        assert_eq!(read(br#"{"name":"c"}"#, false).unwrap().key, Key::default());
        assert_eq!(read(br#"{"name":"c","key":"/"}"#, false).unwrap().key, Key::default());
        assert_eq!(read(br#"{"name":"c","key":"\\0"}"#, true).unwrap().key, Key::new([""]));
        for (body, code) in [
            (&b"{"[..], "invalid_request"),
            (br#"{"key":"a"}"#, "invalid_request"),
            (br#"{"name":"","key":"a"}"#, "invalid_params"),
            (br#"{"name":"c","key":"\\0"}"#, "invalid_params"),
            (br#"{"name":"c","key":"a,b"}"#, "invalid_params"),
            (br#"{"name":"c","key":"a","input":"?"}"#, "invalid_params"),
            (br#"{"name":"c","key":"a","input":"AAA="}"#, "invalid_params"),
        ] {
            assert!(read(body, false).unwrap_err().is("actor", code));
        }
    }

    #[test]
    fn list_queries() {
        let list = ListQuery::parse("actor_ids=a%2Fb&namespace=n&name=x&key=p%2Fq&limit=5").unwrap();
        assert_eq!(list.actor_ids, Some(vec!["a/b".to_owned()]));
        assert_eq!(list.key, Some(Key::new(["p", "q"])));
        assert!(ListQuery::parse("name=a&name=b").is_err());
        assert!(ListQuery::parse(&"actor_ids=a&".repeat(101)).is_err());
        assert_eq!(ListQuery::parse(""), Ok(ListQuery::default()));
    }

    #[test]
    fn records_have_the_members_that_clients_read() {
        let record = ActorRecord {
            actor_id: "a1".into(),
            name: "counter".into(),
            key: r"a/b\/c".into(),
            namespace_id: "default".into(),
            runner_name_selector: "default".into(),
            crash_policy: None,
            create_ts: 5,
            connectable_ts: None,
            start_ts: Some(6),
            sleep_ts: None,
            destroy_ts: None,
        };
        let body = encode_control(&GetOrCreateResponse {
            actor: record.clone(),
            created: true,
        });
        assert_eq!(
            body,
            concat!(
                r#"{"actor":{"actor_id":"a1","name":"counter","key":"a/b\\/c","namespace_id":"default","#,
                r#""runner_name_selector":"default","create_ts":5,"connectable_ts":null,"start_ts":6,"sleep_ts":null,"#,
                r#""destroy_ts":null},"created":true}"#
            )
        );
        assert_eq!(
            serde_json::from_slice::<GetOrCreateResponse>(&body).unwrap().actor,
            record
        );
    }
}
