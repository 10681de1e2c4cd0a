//! What a cron job does, as clients write it and as it is stored.

use std::collections::BTreeMap;

use agentos_store::{Error, SealKey};
use agentos_value::{ActorError, Value};
use serde::{Deserialize, Serialize};

/// Largest action, in bytes of its JSON.
const MAX_BYTES: usize = 256 << 10;

/// An action. Values of environments are texts or `{secret: NAME}`; they are kept as they came and resolved when a run
/// starts.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
#[non_exhaustive]
pub enum CronAction {
    /// Runs a program.
    Exec {
        /// The program, or, without `args`, a line for the shell.
        command: String,
        /// Arguments; they are passed as they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        args: Option<Vec<String>>,
        /// Working directory.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cwd: Option<String>,
        /// Environment.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        env: BTreeMap<String, serde_json::Value>,
        /// Deadline of the program.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
    },
    /// Prompts an agent in a session of its own.
    Session {
        /// The kind of agent.
        agent_type: String,
        /// The prompt.
        prompt: String,
        /// Options of the session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        options: Option<serde_json::Map<String, serde_json::Value>>,
        /// Working directory.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cwd: Option<String>,
    },
}

/// Environments are secret, so an action shows only its kind.
impl std::fmt::Debug for CronAction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Exec { .. } => "CronAction::Exec(..)",
            Self::Session { .. } => "CronAction::Session(..)",
        })
    }
}

impl CronAction {
    /// Reads an action of a client.
    ///
    /// # Errors
    /// `agentos/invalid_argument` naming what is wrong.
    pub fn from_value(value: &Value) -> Result<Self, ActorError> {
        if value.get("type").and_then(Value::as_str) == Some("callback") {
            return Err(invalid("callback cron actions are not serializable"));
        }
        let action: Self = value
            .clone()
            .deserialize()
            .map_err(|error| invalid(&error.to_string()))?;
        action.check()?;
        Ok(action)
    }

    /// Checks what the shape does not say.
    ///
    /// # Errors
    /// `agentos/invalid_argument` naming what is wrong.
    pub fn check(&self) -> Result<(), ActorError> {
        let (name, texts): (_, Vec<&str>) = match self {
            Self::Exec {
                command,
                args,
                cwd,
                env,
                ..
            } => {
                for (name, value) in env {
                    check_env(name, value)?;
                }
                let texts = args.iter().flatten().chain(cwd).map(String::as_str);
                (command, texts.collect())
            }
            Self::Session {
                agent_type,
                prompt,
                cwd,
                ..
            } => (agent_type, cwd.iter().chain([prompt]).map(String::as_str).collect()),
        };
        if name.is_empty() {
            return Err(invalid("command and agentType must not be empty"));
        }
        if std::iter::once(name.as_str())
            .chain(texts)
            .any(|text| text.contains('\0'))
        {
            return Err(invalid("texts must not hold NUL characters"));
        }
        let bytes = serde_json::to_vec(self)
            .map_err(|error| invalid(&error.to_string()))?
            .len();
        if bytes > MAX_BYTES {
            return Err(invalid(&format!("{bytes} bytes, at most {MAX_BYTES} are allowed")));
        }
        Ok(())
    }

    /// The variables of its environment that refer to secrets, with the names of those.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, &str)> {
        let env = match self {
            Self::Exec { env, .. } => Some(env),
            Self::Session { .. } => None,
        };
        env.into_iter()
            .flatten()
            .filter_map(|(variable, value)| Some((variable.as_str(), value.get("secret")?.as_str()?)))
    }

    /// The action without what is secret: this is what is stored in clear and what clients are shown.
    #[must_use]
    pub fn public(&self) -> Self {
        let mut public = self.clone();
        match &mut public {
            Self::Exec { env, .. } => env.clear(),
            Self::Session { options, .. } => *options = None,
        }
        public
    }

    /// Splits the action into what is stored in clear (JSON) and what is sealed.
    pub(super) fn store(&self, context: &str, key: Option<&SealKey>) -> Result<(String, Option<Vec<u8>>), Error> {
        let clear = to_json(&self.public())?;
        let secret = match self {
            Self::Exec { env, .. } if !env.is_empty() => to_json(env)?,
            Self::Session {
                options: Some(options), ..
            } if !options.is_empty() => to_json(options)?,
            _ => return Ok((clear, None)),
        };
        let key = key.ok_or_else(|| Error::Sealed("there is no key to seal the environment with".into()))?;
        Ok((clear, Some(key.seal(context, secret.as_bytes())?)))
    }

    /// Puts a stored action together again.
    pub(super) fn load(
        clear: &str,
        sealed: Option<&[u8]>,
        context: &str,
        key: Option<&SealKey>,
    ) -> Result<Self, Error> {
        let mut action = Self::load_public(clear)?;
        let Some(sealed) = sealed else { return Ok(action) };
        let key = key.ok_or_else(|| Error::Sealed("there is no key to open the environment with".into()))?;
        let secret = key.open(context, sealed)?;
        match &mut action {
            Self::Exec { env, .. } => *env = from_json(&secret)?,
            Self::Session { options, .. } => *options = Some(from_json(&secret)?),
        }
        Ok(action)
    }

    /// The public part of a stored action.
    pub(super) fn load_public(clear: &str) -> Result<Self, Error> {
        from_json(clear.as_bytes())
    }
}

fn check_env(name: &str, value: &serde_json::Value) -> Result<(), ActorError> {
    let plain = value.is_string();
    let secret = value
        .as_object()
        .is_some_and(|o| o.len() == 1 && o.get("secret").is_some_and(serde_json::Value::is_string));
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(invalid("names of variables must not be empty, nor hold '=' or NUL"));
    }
    if !(plain || secret) {
        return Err(invalid(&format!("env.{name}: expected a text or {{secret: NAME}}")));
    }
    Ok(())
}

fn invalid(why: &str) -> ActorError {
    ActorError::agentos("invalid_argument", format!("action: {why}"))
        .with_metadata(Value::object([("path", "action"), ("received", why)]))
}

fn to_json<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Internal(error.to_string().into()))
}

/// Texts of errors would quote the value, which is secret; so they say nothing of it.
fn from_json<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(json).map_err(|_| Error::Internal("a stored cron action cannot be read".into()))
}
