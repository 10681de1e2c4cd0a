//! The query form: an actor by name and key, in parameters that start with `rvt-`.

use agentos_value::{Key, Value, cbor, check_name};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode_str;

use crate::{WireError, compat};

/// An actor by name and key.
#[derive(Clone, Debug, PartialEq)]
pub struct ActorQuery {
    /// The namespace.
    pub namespace: String,
    /// The actor's name.
    pub name: String,
    /// Its key. The client joins parts by commas, so a comma within a part cannot be told from one between two.
    pub key: Key,
    /// Whether to create it.
    pub method: QueryMethod,
}

/// What to do when no actor has the name and key.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryMethod {
    /// Fail.
    Get,
    /// Create it, atomically.
    GetOrCreate {
        /// The pool that it shall run in.
        pool: String,
        /// What the new actor is given.
        input: Option<Value>,
        /// Where it shall run.
        region: Option<String>,
        /// What a crash does to it.
        crash_policy: Option<CrashPolicy>,
    },
}

/// What a crash does to an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPolicy {
    /// It starts again at once.
    Restart,
    /// It starts again when it is used.
    Sleep,
    /// It is gone.
    Destroy,
}

impl CrashPolicy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Restart, Self::Sleep, Self::Destroy];

    /// The policy of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }

    /// Its name in addresses and in the control API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Sleep => "sleep",
            Self::Destroy => "destroy",
        }
    }
}

/// What the query form says.
pub(super) struct Parsed {
    pub(super) query: ActorQuery,
    pub(super) token: Option<String>,
    pub(super) skip_ready_wait: bool,
    /// The query without our parameters, if anything is left of it.
    pub(super) forwarded: Option<String>,
}

/// Whether a part of a raw query is one of our parameters.
pub(super) fn is_ours(part: &str) -> bool {
    part.starts_with("rvt-")
}

/// Parses a query that has at least one of our parameters.
pub(super) fn parse(segment: &str, query: &str) -> Result<Parsed, WireError> {
    let mut params = Params::collect(query)?;
    if segment.contains('@') {
        return Err(error(
            "query_path_token_syntax",
            "a token after @ has no place in an address by key; use rvt-token",
        ));
    }
    let name = percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| invalid("the actor's name is not UTF-8"))?;
    if name.is_empty() {
        return Err(error("query_empty_actor_name", "the actor's name is empty"));
    }
    check_name(&name).map_err(|error| invalid(error.to_string()))?;
    let namespace = params.required("rvt-namespace")?;
    let token = params.take("rvt-token");
    let skip_ready_wait = match params.take("rvt-skip-ready-wait").as_deref() {
        None | Some("false" | "0") => false,
        Some("true" | "1") => true,
        Some(_) => return Err(invalid("rvt-skip-ready-wait is neither true nor false")),
    };
    let key = match params.take("rvt-key") {
        Some(parts) if !parts.is_empty() => Key::new(parts.split(',')),
        _ => Key::default(),
    };
    let method = match params.required("rvt-method")?.as_str() {
        "get" => params.get()?,
        "getOrCreate" => params.get_or_create()?,
        _ => return Err(invalid("rvt-method is neither get nor getOrCreate")),
    };
    let forwarded: Vec<&str> = query.split('&').filter(|part| !is_ours(part)).collect();
    Ok(Parsed {
        query: ActorQuery {
            namespace,
            name: name.into_owned(),
            key,
            method,
        },
        token,
        skip_ready_wait,
        forwarded: (!forwarded.is_empty()).then(|| forwarded.join("&")),
    })
}

const NAMES: [&str; 10] = [
    "rvt-namespace",
    "rvt-method",
    "rvt-key",
    "rvt-runner",
    "rvt-pool",
    "rvt-input",
    "rvt-region",
    "rvt-crash-policy",
    "rvt-token",
    "rvt-skip-ready-wait",
];

/// Our parameters of one query, each at most once.
struct Params([Option<String>; NAMES.len()]);

impl Params {
    fn collect(query: &str) -> Result<Self, WireError> {
        let mut params = Self(Default::default());
        for part in query.split('&').filter(|part| is_ours(part)) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (form_decoded(name)?, form_decoded(value)?);
            let index = NAMES.iter().position(|known| *known == name);
            let slot = &mut params.0[index.ok_or_else(|| invalid("an unknown parameter starts with rvt-"))?];
            if slot.replace(value).is_some() {
                return Err(error("query_duplicate_param", format!("{name} occurs twice")));
            }
        }
        Ok(params)
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let index = NAMES.iter().position(|known| *known == name)?;
        self.0[index].take()
    }

    fn required(&mut self, name: &str) -> Result<String, WireError> {
        self.take(name).ok_or_else(|| invalid(format!("{name} is missing")))
    }

    fn get(&mut self) -> Result<QueryMethod, WireError> {
        for name in ["rvt-runner", "rvt-input", "rvt-region", "rvt-crash-policy"] {
            if self.take(name).is_some() {
                return Err(error(
                    "query_get_disallowed_params",
                    format!("{name} has no place where nothing is created"),
                ));
            }
        }
        Ok(QueryMethod::Get)
    }

    fn get_or_create(&mut self) -> Result<QueryMethod, WireError> {
        let runner = self.take("rvt-runner");
        let pool = self.take("rvt-pool").or(runner);
        let pool = pool.ok_or_else(|| error("query_missing_pool", "rvt-pool is missing"))?;
        let crash_policy = match self.take("rvt-crash-policy") {
            Some(name) => Some(
                CrashPolicy::parse(&name)
                    .ok_or_else(|| invalid("rvt-crash-policy is none of restart, sleep, destroy"))?,
            ),
            None => None,
        };
        let input = self.take("rvt-input").map(|text| input(&text)).transpose()?;
        Ok(QueryMethod::GetOrCreate {
            pool,
            input,
            region: self.take("rvt-region"),
            crash_policy,
        })
    }
}

/// The input in an address: CBOR with compat tags, in base64.
fn input(text: &str) -> Result<Value, WireError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| invalid("rvt-input is not base64url"))?;
    let mut value = cbor::decode(&bytes.into(), cbor::Limits::default())
        .map_err(|error| invalid(format!("rvt-input is not CBOR: {error}")))?;
    compat::revive(&mut value);
    Ok(value)
}

/// Form data: `+` is a space, `%XX` a byte, and the bytes are UTF-8.
fn form_decoded(text: &str) -> Result<String, WireError> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| invalid("a parameter is not UTF-8"))
}

fn invalid(message: impl Into<String>) -> WireError {
    error("query_invalid_params", message)
}

fn error(code: &'static str, message: impl Into<String>) -> WireError {
    WireError::Query {
        code,
        message: message.into(),
    }
}
