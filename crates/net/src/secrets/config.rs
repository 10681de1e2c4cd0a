//! Secrets as they are configured, and what is checked before a VM starts.

use super::host::HostPattern;
use super::value::SecretValue;
use http::header::HeaderName;
use std::collections::HashSet;

/// A credential that never enters the guest: the guest sees a placeholder in the environment variable `name`, and requests to
/// the listed hosts carry the value in its place. Printing one shows no value.
#[derive(Debug, Clone)]
pub struct Secret {
    name: String,
    value: SecretValue,
    hosts: Vec<String>,
    header: Option<String>,
}

impl Secret {
    /// A secret for the environment variable `name`, so far for no host.
    pub fn new(name: impl Into<String>, value: impl Into<SecretValue>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            hosts: Vec::new(),
            header: None,
        }
    }

    /// The hosts that get the value: `api.example.com`, `*.example.com` (everything below, not the domain itself), each with or
    /// without `:port`.
    #[must_use]
    pub fn hosts<S: Into<String>>(mut self, hosts: impl IntoIterator<Item = S>) -> Self {
        self.hosts.extend(hosts.into_iter().map(Into::into));
        self
    }

    /// Restricts the value to this request header; without it, every header of a request may carry it.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>) -> Self {
        self.header = Some(name.into());
        self
    }

    /// The environment variable.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads the configuration form: an array of `{name, value, hosts, header?}`.
    ///
    /// # Errors
    /// The first entry that has another shape.
    pub fn list_from_json(value: &serde_json::Value) -> Result<Vec<Self>, InvalidSecret> {
        let entries = value
            .as_array()
            .ok_or_else(|| InvalidSecret::at("secrets", "must be an array"))?;
        let read = |(index, entry)| Self::from_json(entry, &format!("secrets[{index}]"));
        entries.iter().enumerate().map(read).collect()
    }

    fn from_json(entry: &serde_json::Value, path: &str) -> Result<Self, InvalidSecret> {
        let fields = entry
            .as_object()
            .ok_or_else(|| InvalidSecret::at(path, "must be an object with name, value and hosts"))?;
        if let Some(unknown) = fields.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            let reason = format!("unknown field (known: {})", FIELDS.join(", "));
            return Err(InvalidSecret::at(format!("{path}.{}", cut(unknown)), reason));
        }
        let text = |field: &str| match fields.get(field) {
            Some(serde_json::Value::String(text)) => Ok(Some(text.as_str())),
            None => Ok(None),
            Some(_) => Err(InvalidSecret::at(format!("{path}.{field}"), "must be a string")),
        };
        let missing = |field: &str| InvalidSecret::at(format!("{path}.{field}"), "is missing");
        let mut secret = Self::new(
            text("name")?.ok_or_else(|| missing("name"))?,
            text("value")?.ok_or_else(|| missing("value"))?,
        );
        secret.header = text("header")?.map(str::to_owned);
        let hosts = fields.get("hosts").ok_or_else(|| missing("hosts"))?;
        let wrong = || InvalidSecret::at(format!("{path}.hosts"), "must be an array of strings");
        for host in hosts.as_array().ok_or_else(wrong)? {
            secret.hosts.push(host.as_str().ok_or_else(wrong)?.to_owned());
        }
        Ok(secret)
    }
}

const FIELDS: &[&str] = &["name", "value", "hosts", "header"];

/// Why secrets cannot be used. It never holds a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct InvalidSecret {
    /// Where in the configuration, for example `secrets[0].hosts[1]`.
    pub path: String,
    /// What is wrong and what is accepted.
    pub reason: String,
}

impl InvalidSecret {
    fn at(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            reason: reason.into(),
        }
    }
}

/// Most secrets of a VM.
pub const SECRETS_MAX: usize = 64;

/// Most hosts of a secret.
pub const HOSTS_MAX: usize = 64;

/// Shortest value in bytes: what is shorter turns up by accident, and would be masked wherever it does.
pub const VALUE_MIN: usize = 8;

/// Longest value in bytes.
pub const VALUE_MAX: usize = 8192;

/// Headers that say where a request goes or how it is framed; a value has no place there.
pub(super) const FRAMING: &[&str] = &[
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "accept-encoding",
    "range",
    "if-range",
];

/// A secret that was checked.
pub(super) struct Checked {
    pub(super) name: String,
    pub(super) value: SecretValue,
    pub(super) hosts: Vec<HostPattern>,
    pub(super) header: Option<HeaderName>,
}

/// Checks all secrets of a VM.
pub(super) fn check(secrets: Vec<Secret>) -> Result<Vec<Checked>, InvalidSecret> {
    if secrets.len() > SECRETS_MAX {
        let reason = format!("at most {SECRETS_MAX} secrets, got {}", secrets.len());
        return Err(InvalidSecret::at("secrets", reason));
    }
    let mut names = HashSet::new();
    let mut checked = Vec::with_capacity(secrets.len());
    for (index, secret) in secrets.into_iter().enumerate() {
        let path = format!("secrets[{index}]");
        let secret = check_one(secret, &path)?;
        if !names.insert(secret.name.clone()) {
            let reason = format!("another secret has the name {:?}", secret.name);
            return Err(InvalidSecret::at(format!("{path}.name"), reason));
        }
        checked.push(secret);
    }
    Ok(checked)
}

fn check_one(secret: Secret, path: &str) -> Result<Checked, InvalidSecret> {
    check_name(&secret.name).map_err(|reason| InvalidSecret::at(format!("{path}.name"), reason))?;
    check_value(secret.value.expose()).map_err(|reason| InvalidSecret::at(format!("{path}.value"), reason))?;
    let at_hosts = |reason: String| InvalidSecret::at(format!("{path}.hosts"), reason);
    match secret.hosts.len() {
        0 => return Err(at_hosts("must name at least one host that gets the value".to_owned())),
        1..=HOSTS_MAX => {}
        more => return Err(at_hosts(format!("at most {HOSTS_MAX} hosts, got {more}"))),
    }
    let host = |(index, text): (usize, &String)| {
        HostPattern::parse(text).map_err(|reason| InvalidSecret::at(format!("{path}.hosts[{index}]"), reason))
    };
    let hosts = secret.hosts.iter().enumerate().map(host).collect::<Result<_, _>>()?;
    let header = secret.header.as_deref().map(check_header).transpose();
    Ok(Checked {
        name: secret.name,
        value: secret.value,
        hosts,
        header: header.map_err(|reason| InvalidSecret::at(format!("{path}.header"), reason))?,
    })
}

fn check_name(name: &str) -> Result<(), String> {
    let first = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if first && rest && name.len() <= 128 {
        Ok(())
    } else {
        Err(format!(
            "must be the name of an environment variable (letters, digits, '_', at most 128 bytes), got {:?}",
            cut(name)
        ))
    }
}

fn check_value(value: &[u8]) -> Result<(), String> {
    if !(VALUE_MIN..=VALUE_MAX).contains(&value.len()) {
        return Err(format!(
            "must have {VALUE_MIN} to {VALUE_MAX} bytes, has {}",
            value.len()
        ));
    }
    if value.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return Err("must not contain a line break".to_owned());
    }
    if value.iter().any(u8::is_ascii_control) {
        return Err("must not contain control characters".to_owned());
    }
    if value.first() == Some(&b' ') || value.last() == Some(&b' ') {
        return Err("must not begin or end with a space".to_owned());
    }
    Ok(())
}

fn check_header(name: &str) -> Result<HeaderName, String> {
    let wrong = || format!("must be the name of a request header, got {:?}", cut(name));
    let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
    if FRAMING.contains(&header.as_str()) {
        return Err(format!(
            "cannot be {header:?}, which says where or how a request is sent"
        ));
    }
    Ok(header)
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const VALUE: &str = "s3cr3t-of-the-house";

    fn refused(secrets: Vec<Secret>) -> String {
        let error = check(secrets).err().unwrap();
        let text = format!("{error} {error:?}");
        assert!(!text.contains(VALUE), "{text}");
        error.to_string()
    }

    fn good(name: &str) -> Secret {
        Secret::new(name, VALUE).hosts(["api.example.com"])
    }

    #[test]
    fn wrong_secrets_are_named_by_their_path() {
        for (secret, path, reason) in [
            (Secret::new("KEY", VALUE), "secrets[0].hosts: ", "at least one host"),
            (good(""), "secrets[0].name: ", "environment variable"),
            (good("A=B"), "secrets[0].name: ", "environment variable"),
            (good("1A"), "secrets[0].name: ", "environment variable"),
            (good("KEY").hosts(["*"]), "secrets[0].hosts[1]: ", "only stand"),
            (good("KEY").header("a b"), "secrets[0].header: ", "request header"),
            (good("KEY").header("Host"), "secrets[0].header: ", "where or how"),
            (good("KEY").header(""), "secrets[0].header: ", "request header"),
        ] {
            let error = refused(vec![secret]);
            assert!(error.starts_with(path) && error.contains(reason), "{error}");
        }
        assert!(refused(vec![good("KEY"), good("KEY")]).starts_with("secrets[1].name: another"));
        assert!(refused(vec![good("KEY"); 65]).contains("at most 64"));
        let many = (0..65).map(|number| format!("h{number}.example.com"));
        assert!(refused(vec![Secret::new("KEY", VALUE).hosts(many)]).contains("at most 64"));
    }

    #[test]
    fn a_wrong_value_is_not_shown() {
        for (value, reason) in [
            ("abcd\nefgh-secret", "line break"),
            ("abcd\r\nefgh-secret", "line break"),
            ("abcd\0efgh-secret", "control"),
            ("abc", "8 to 8192"),
            ("", "8 to 8192"),
            (" abcd-efgh-secret", "space"),
        ] {
            let error = check(vec![Secret::new("KEY", value).hosts(["a.example.com"])])
                .err()
                .unwrap();
            let text = format!("{error:?} {error}");
            assert!(text.contains("secrets[0].value") && text.contains(reason), "{text}");
            assert!(
                value.is_empty() || !text.contains(value) && !text.contains("efgh"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_configuration_form_is_strict() {
        let read = |value| Secret::list_from_json(&value);
        let entry = json!([{"name": "KEY", "value": VALUE, "hosts": ["a.example.com"], "header": "Authorization"}]);
        let secrets = read(entry).unwrap();
        assert!(!format!("{secrets:?}").contains(VALUE));
        assert!(check(secrets).is_ok());
        for (value, path) in [
            (json!({}), "secrets: "),
            (json!([3]), "secrets[0]: "),
            (json!([{"name": "K", "value": VALUE}]), "secrets[0].hosts: is missing"),
            (json!([{"value": VALUE, "hosts": []}]), "secrets[0].name: is missing"),
            (json!([{"name": "K", "hosts": []}]), "secrets[0].value: is missing"),
            (
                json!([{"name": "K", "value": 3, "hosts": []}]),
                "secrets[0].value: must be a string",
            ),
            (
                json!([{"name": "K", "value": VALUE, "hosts": VALUE}]),
                "secrets[0].hosts: must be",
            ),
            (
                json!([{"name": "K", "value": VALUE, "hosts": [1]}]),
                "secrets[0].hosts: must be",
            ),
            (
                json!([{"name": "K", "value": VALUE, "host": []}]),
                "secrets[0].host: unknown field",
            ),
        ] {
            let error = read(value).unwrap_err().to_string();
            assert!(error.starts_with(path) && !error.contains(VALUE), "{error}");
        }
    }
}
