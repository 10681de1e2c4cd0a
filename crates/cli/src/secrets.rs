//! Secrets on the command line and in the configuration file. The value is never typed: it comes from a variable of the host's
//! environment or from a file.

use crate::args::VmArgs;
use crate::config::Config;
use crate::error::Error;
use agentos::{Builder, Secret};
use serde::Deserialize;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A `--secret` value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretArg {
    name: String,
    hosts: Vec<String>,
    header: Option<String>,
}

impl SecretArg {
    /// Variable in the VM.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for SecretArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // What stands after "=" might be a value that somebody typed, so it is not repeated.
        let shape = || "expected NAME=HOST[,HOST...][:HEADER]".to_owned();
        let (name, rest) = text.split_once('=').ok_or_else(shape)?;
        let (hosts, header) = match rest.rsplit_once(':') {
            Some((hosts, last)) if !last.bytes().all(|byte| byte.is_ascii_digit()) => (hosts, Some(last.to_owned())),
            _ => (rest, None),
        };
        if name.is_empty() || hosts.is_empty() {
            return Err(shape());
        }
        Ok(Self {
            name: name.to_owned(),
            hosts: hosts.split(',').map(str::to_owned).collect(),
            header,
        })
    }
}

/// A `--secret-file` value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretFileArg {
    name: String,
    path: PathBuf,
}

impl FromStr for SecretFileArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok(Self {
                name: name.to_owned(),
                path: path.into(),
            }),
            _ => Err("expected NAME=FILE".to_owned()),
        }
    }
}

/// A secret of the configuration file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ConfigSecret {
    /// Variable in the VM.
    pub name: String,
    /// Hosts that get the value.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The only header that may carry it.
    pub header: Option<String>,
    /// Variable of the host that holds it; `name` unless given.
    pub env: Option<String>,
    /// File that holds it, relative to the configuration file.
    pub file: Option<PathBuf>,
}

/// Text that may hold a password and is not printed.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl Hidden {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden(..)")
    }
}

/// Where a value is.
#[derive(Clone, Copy)]
enum Source<'a> {
    Variable(&'a str),
    File(&'a Path),
}

/// Bytes that are read of a file; no secret is that long.
const FILE_MAX: u64 = 1 << 20;

/// Adds the secrets of the file and those of the command line, which replace those of the same name.
pub(crate) fn apply(mut builder: Builder, args: &VmArgs, config: &Config) -> Result<Builder, Error> {
    for (index, secret) in config.secrets.iter().enumerate() {
        if args.secrets.iter().any(|arg| arg.name == secret.name) {
            continue;
        }
        let path = format!("secrets[{index}]");
        let source = match (&secret.env, &secret.file) {
            (Some(_), Some(_)) => return Err(Error::Usage(format!("{path}: env and file exclude each other"))),
            (None, Some(file)) => Source::File(file),
            (Some(env), None) => Source::Variable(env),
            (None, None) => Source::Variable(&secret.name),
        };
        let value = value(source).map_err(|reason| Error::Usage(format!("{path}.value: {reason}")))?;
        let made = Secret::new(&secret.name, value).hosts(&secret.hosts);
        builder = builder.secret(with_header(made, secret.header.as_ref()));
    }
    for arg in &args.secrets {
        let file = args.secret_files.iter().rfind(|file| file.name == arg.name);
        let source = file.map_or(Source::Variable(&arg.name), |file| Source::File(&file.path));
        let value = value(source).map_err(|reason| Error::Usage(format!("--secret {}: {reason}", arg.name)))?;
        let made = Secret::new(&arg.name, value).hosts(&arg.hosts);
        builder = builder.secret(with_header(made, arg.header.as_ref()));
    }
    let unused = |file: &&SecretFileArg| !args.secrets.iter().any(|arg| arg.name == file.name);
    match args.secret_files.iter().find(unused) {
        Some(file) => Err(Error::Usage(format!(
            "--secret-file {name}: there is no --secret {name}",
            name = file.name
        ))),
        None => Ok(builder),
    }
}

fn with_header(secret: Secret, header: Option<&String>) -> Secret {
    header.into_iter().fold(secret, Secret::header)
}

/// Reads a value. One line break at the end of a file does not belong to it.
fn value(source: Source<'_>) -> Result<Vec<u8>, String> {
    match source {
        Source::Variable(name) => {
            let valid = !name.is_empty() && !name.contains(['=', '\0']);
            let value = valid.then(|| std::env::var_os(name)).flatten();
            value.map(OsString::into_encoded_bytes).ok_or_else(|| {
                format!("the host's environment has no variable {name:?}, which the value would be taken from; a file can be named instead")
            })
        }
        Source::File(path) => {
            let failed = |error: std::io::Error| format!("{}: {error}", path.display());
            let mut bytes = Vec::new();
            let file = std::fs::File::open(path).map_err(failed)?;
            file.take(FILE_MAX).read_to_end(&mut bytes).map_err(failed)?;
            if bytes.ends_with(b"\n") {
                bytes.pop();
            }
            if bytes.ends_with(b"\r") {
                bytes.pop();
            }
            Ok(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_ports_and_a_header_are_told_apart() {
        let read = |text: &str| {
            let arg: SecretArg = text.parse().unwrap();
            (arg.name, arg.hosts.join(" "), arg.header.unwrap_or_default())
        };
        let is = |text: &str, hosts: &str, header: &str| {
            assert_eq!(
                read(text),
                ("KEY".to_owned(), hosts.to_owned(), header.to_owned()),
                "{text}"
            );
        };
        is("KEY=api.example.com", "api.example.com", "");
        is("KEY=api.example.com:8443", "api.example.com:8443", "");
        is("KEY=api.example.com:X-Key", "api.example.com", "X-Key");
        is(
            "KEY=a.example.com,*.b.example.com:443:X-Key",
            "a.example.com *.b.example.com:443",
            "X-Key",
        );
    }

    #[test]
    fn what_might_be_a_value_is_not_repeated() {
        for text in ["hunter2hunter2", "=hunter2hunter2", "KEY=", "KEY=:hunter2hunter2"] {
            let error = text.parse::<SecretArg>().unwrap_err();
            assert!(!error.contains("hunter2") && error.contains("NAME=HOST"), "{error}");
        }
        assert!("KEY".parse::<SecretFileArg>().is_err());
    }

    #[test]
    fn a_file_loses_one_line_break() {
        let folder = tempfile::tempdir().unwrap();
        for (content, wanted) in [
            ("value", "value"),
            ("value\n", "value"),
            ("value\r\n", "value"),
            ("value\n\n", "value\n"),
        ] {
            let path = folder.path().join("secret");
            std::fs::write(&path, content).unwrap();
            assert_eq!(value(Source::File(&path)).unwrap(), wanted.as_bytes());
        }
        assert!(
            value(Source::File(&folder.path().join("missing")))
                .unwrap_err()
                .contains("missing")
        );
        assert!(
            value(Source::Variable("AGENTOS_NO_SUCH_VARIABLE"))
                .unwrap_err()
                .contains("AGENTOS_NO_SUCH_VARIABLE")
        );
    }
}
