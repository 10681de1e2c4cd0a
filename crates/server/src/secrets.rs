//! References to secrets of the host in the environments that clients give (security.md section 7).
//!
//! A client writes `env: { TOKEN: { secret: "NAME" } }`; the host puts the value there when the process starts. So a cron job
//! can be stored, listed and moved without a value in it. The process sees the value in clear, and so does every other process
//! of the VM: what must not enter the VM at all is a [`Secret`](agentos::Secret).
//!
//! * A reference is accepted for names in `clientSecrets` only, of which there are none unless the operator says so: otherwise
//!   any client could copy any secret into its VM.
//! * The value is asked for at each start and kept nowhere. An unknown name fails the call; nothing runs without its value.
//! * No error and no log holds a value.

use crate::actions::invalid_argument;
use agentos_actor::{BoxFuture, Failure};
use agentos_value::{ActorError, ActorId, Key};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Longest value, in bytes.
const MOST_BYTES: usize = 64 << 10;

/// How long a source may take for one value.
const PATIENCE: Duration = Duration::from_secs(5);

/// What begins the names of variables of the host that are secrets, unless something else is said.
const PREFIX: &str = "AGENTOS_SECRET_";

/// A value of an environment, as clients write it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum EnvValue {
    /// The value itself.
    Plain(String),
    /// The name of a secret of the host.
    Secret(String),
}

/// Values may be secret.
impl std::fmt::Debug for EnvValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("Plain(..)"),
            Self::Secret(name) => f.debug_tuple("Secret").field(name).finish(),
        }
    }
}

/// Which secret is needed, and where.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SecretRequest {
    /// Name of the secret: letters, digits, `_`, `-` and `.`, not beginning with `.`.
    pub name: String,
    /// Key of the VM that needs it.
    pub key: Key,
    /// Id of that VM.
    pub actor_id: ActorId,
}

/// The value of a secret. Nothing prints it.
#[derive(Clone)]
pub struct SecretText(String);

impl SecretText {
    /// Takes a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretText(..)")
    }
}

type Answer = Result<Option<SecretText>, Failure>;
type Ask = dyn Fn(SecretRequest) -> BoxFuture<'static, Answer> + Send + Sync;

/// Where the values of secrets come from.
#[derive(Clone)]
pub struct SecretSource(Arc<Ask>);

impl Default for SecretSource {
    /// The variables of the host's environment that begin with `AGENTOS_SECRET_`.
    fn default() -> Self {
        Self::environment(PREFIX)
    }
}

impl SecretSource {
    /// Variables of the host's environment: the secret `NAME` is the variable `{prefix}NAME`.
    pub fn environment(prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        Self::hook(move |request| {
            let variable = format!("{prefix}{}", request.name);
            async move { Ok(std::env::var(variable).ok().map(SecretText)) }
        })
    }

    /// Files of a directory: the secret `NAME` is the text of the file `NAME`, without one line break at its end.
    pub fn directory(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self::hook(move |request| {
            let file = path.join(&request.name);
            async move {
                tokio::task::spawn_blocking(move || read(&file))
                    .await
                    .map_err(Failure::internal)?
            }
        })
    }

    /// Whatever a function of yours answers; `None` for a name that it does not know.
    pub fn hook<F, R>(ask: F) -> Self
    where
        F: Fn(SecretRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Answer> + Send + 'static,
    {
        Self(Arc::new(move |request| Box::pin(ask(request))))
    }
}

impl std::fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretSource(..)")
    }
}

fn read(file: &std::path::Path) -> Answer {
    use std::io::Read as _;
    let opened = match std::fs::File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::internal(error)),
    };
    let mut text = String::new();
    // One byte more than there may be: what is too long is refused by whoever asked.
    let most = MOST_BYTES as u64 + 1;
    opened.take(most).read_to_string(&mut text).map_err(Failure::internal)?;
    for end in ['\n', '\r'] {
        if text.ends_with(end) {
            text.pop();
        }
    }
    Ok(Some(SecretText(text)))
}

/// Whether a name can be one of a secret. It becomes part of a file's name.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=128).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(plain)
}

/// The secrets that clients may put into the environments of one VM; none by default.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets {
    allowed: Arc<[String]>,
    source: SecretSource,
    /// The VM of a server.
    vm: Option<(Key, ActorId)>,
}

impl Secrets {
    pub(crate) fn new(source: SecretSource, allowed: Arc<[String]>, key: Key, actor_id: ActorId) -> Self {
        Self {
            allowed,
            source,
            vm: Some((key, actor_id)),
        }
    }

    pub(crate) fn allowed(&self) -> &[String] {
        &self.allowed
    }

    /// Puts values in the place of references. `path` is where the environment stands.
    pub(crate) async fn resolve(
        &self,
        path: &str,
        env: Vec<(String, EnvValue)>,
    ) -> Result<Vec<(String, String)>, ActorError> {
        let mut resolved = Vec::with_capacity(env.len());
        for (variable, value) in env {
            let value = match value {
                EnvValue::Plain(value) => value,
                EnvValue::Secret(name) => self.value(&format!("{path}.{variable}.secret"), name).await?,
            };
            resolved.push((variable, value));
        }
        Ok(resolved)
    }

    async fn value(&self, path: &str, name: String) -> Result<String, ActorError> {
        check(&self.allowed, path, &name)?;
        let answer = self.ask(&name).await.map_err(|failure| failure.publish("secret"))?;
        let Some(SecretText(value)) = answer else {
            return Err(invalid_argument(
                path,
                "a secret that the host has",
                &format!("string \"{name}\""),
            ));
        };
        if value.len() > MOST_BYTES || value.contains('\0') {
            let expected = format!("a secret of at most {MOST_BYTES} bytes without NUL");
            return Err(invalid_argument(path, &expected, "another"));
        }
        Ok(value)
    }
}

impl Secrets {
    async fn ask(&self, name: &str) -> Answer {
        let Some((key, actor_id)) = self.vm.clone() else {
            return Ok(None);
        };
        let request = SecretRequest {
            name: name.to_owned(),
            key,
            actor_id,
        };
        let answer = tokio::time::timeout(PATIENCE, (self.source.0)(request)).await;
        answer.unwrap_or_else(|_| Err(Failure::internal("the source of secrets took too long")))
    }
}

/// Whether clients may refer to a secret.
pub(crate) fn check(allowed: &[String], path: &str, name: &str) -> Result<(), ActorError> {
    if is_name(name) && allowed.iter().any(|known| known == name) {
        return Ok(());
    }
    let shown: String = name.chars().take(64).flat_map(char::escape_default).collect();
    let expected = "the name of a secret that clients may use (clientSecrets)";
    Err(invalid_argument(path, expected, &format!("string \"{shown}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(source: SecretSource, allowed: &[&str]) -> Secrets {
        let allowed = allowed.iter().map(|name| (*name).to_owned()).collect();
        Secrets::new(source, allowed, Key::new(["k"]), ActorId::new("a1").unwrap())
    }

    async fn one(secrets: &Secrets, name: &str) -> Result<String, String> {
        let env = vec![("X".to_owned(), EnvValue::Secret(name.to_owned()))];
        let resolved = secrets.resolve("options.env", env).await;
        resolved.map(|env| env[0].1.clone()).map_err(|error| error.message)
    }

    #[tokio::test]
    async fn files_of_a_directory_are_secrets() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("A"), "value\r\n").unwrap();
        std::fs::write(directory.path().join("LONG"), "x".repeat(MOST_BYTES + 1)).unwrap();
        std::fs::write(directory.path().join("B"), "other").unwrap();
        let secrets = secrets(SecretSource::directory(directory.path()), &["A", "LONG", "C", "../A"]);
        assert_eq!(one(&secrets, "A").await.unwrap(), "value");
        assert!(one(&secrets, "LONG").await.unwrap_err().contains("at most 65536 bytes"));
        assert!(
            one(&secrets, "C")
                .await
                .unwrap_err()
                .contains("a secret that the host has")
        );
        // What clients may not use is refused alike, whether or not it exists.
        for name in ["B", "D", "../A", "", ".A"] {
            let refused = one(&secrets, name).await.unwrap_err();
            assert!(
                refused.starts_with("invalid argument options.env.X.secret: ") && refused.contains("clientSecrets")
            );
        }
    }

    #[tokio::test]
    async fn variables_with_the_prefix_are_secrets() {
        // A variable that every test runner has.
        let secrets = secrets(SecretSource::environment("PA"), &["TH"]);
        assert_eq!(one(&secrets, "TH").await.unwrap(), std::env::var("PATH").unwrap());
        assert!(
            one(&self::secrets(SecretSource::default(), &["PATH"]), "PATH")
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn failures_of_a_hook_are_masked() {
        let source = SecretSource::hook(|_| async { Err(Failure::internal("hunter2")) });
        let refused = one(&secrets(source, &["A"]), "A").await.unwrap_err();
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}
