//! The configuration file of `agentos run` and `agentos shell`.
//!
//! ```toml
//! cwd = "/src"
//! timeout = "30s"
//! software = ["pi", "npm:cowsay@1"]
//! mounts = [{ host = ".", guest = "/src", readOnly = true }]
//! [env]
//! LANG = "C.UTF-8"
//! [limits.resources]
//! maxProcesses = 64
//! maxFilesystemBytes = "512MiB"
//! [permissions]
//! network = "deny"
//! ```

use crate::error::Error;
use crate::network::ConfigNetwork;
use crate::secrets::ConfigSecret;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file's content. Unknown keys are errors.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// Working directory in the VM.
    pub cwd: Option<String>,
    /// Time limit, written as on the command line.
    pub timeout: Option<String>,
    /// Host directories.
    #[serde(default)]
    pub mounts: Vec<ConfigMount>,
    /// Images below the root: `host`, or paths relative to the file.
    #[serde(default)]
    pub image: Vec<String>,
    /// Software of this user's store, as `--software` names it; files relative to the file.
    #[serde(default)]
    pub software: Vec<String>,
    /// Which commands are found first: `bundled` or `image`.
    pub tools: Option<String>,
    /// Environment variables.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Ports of the host's loopback that guests may reach.
    #[serde(default)]
    pub loopback_exempt_ports: Vec<i64>,
    /// Name servers, ports to listen at, deadlines.
    #[serde(default)]
    pub network: ConfigNetwork,
    /// The permission policy, in the shape of its JSON; checked when the VM is built.
    pub permissions: Option<Value>,
    /// Credentials that stay on the host.
    #[serde(default)]
    pub secrets: Vec<ConfigSecret>,
    /// Limits by group and name, checked when the VM is built.
    #[serde(default)]
    pub limits: Map<String, Value>,
}

/// One mount.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ConfigMount {
    /// Host directory, relative to the file.
    pub host: PathBuf,
    /// Path in the VM.
    pub guest: String,
    /// Whether the VM may not write.
    #[serde(default = "yes")]
    pub read_only: bool,
}

fn yes() -> bool {
    true
}

impl Config {
    /// Reads and checks a file; relative host paths are resolved against its folder.
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Config {
            path: path.to_owned(),
            reason,
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let mut config = Self::parse(&text).map_err(wrong)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for mount in &mut config.mounts {
            mount.host = folder.join(&mount.host);
        }
        for image in config.image.iter_mut().filter(|image| *image != "host") {
            // `host` is no path, however the file's folder is called.
            *image = Path::new(".").join(folder).join(&*image).display().to_string();
        }
        for spec in &mut config.software {
            for kind in ["wasm:", "tar:"] {
                if let Some(path) = spec.strip_prefix(kind) {
                    *spec = format!("{kind}{}", folder.join(path).display());
                    break;
                }
            }
        }
        let files = config.secrets.iter_mut().filter_map(|secret| secret.file.as_mut());
        for path in files.chain(&mut config.network.trust_roots) {
            *path = folder.join(&*path);
        }
        Ok(config)
    }

    /// Parses the text of a file.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| located(text, &error))
    }
}

/// What is wrong and where, without the rest of the line: a secret or password may stand there.
fn located(text: &str, error: &toml::de::Error) -> String {
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return error.message().to_owned();
    };
    let number = before.matches('\n').count();
    let line = text.lines().nth(number).unwrap_or_default();
    let key = line.split('=').next().unwrap_or_default().trim();
    format!("line {}: {key}: {}", number + 1, error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_file_is_accepted() {
        let config = Config::parse(
            "cwd = '/src'\ntimeout = '30s'\nmounts = [{ host = '.', guest = '/src' }]\n[env]\nLANG = 'C'\n\
             [limits.resources]\nmaxProcesses = 64\nmaxFilesystemBytes = '512MiB'\n\
             [permissions]\nnetwork = 'deny'\n[permissions.fs]\ndefault = 'allow'\nrules = [{ mode = 'deny', paths = ['/a'] }]\n",
        )
        .unwrap();
        assert!(config.mounts[0].read_only);
        let rules = &config.permissions.as_ref().unwrap()["fs"]["rules"];
        assert_eq!(rules[0]["paths"][0], "/a");
        assert_eq!(config.limits["resources"]["maxFilesystemBytes"], "512MiB");
    }

    #[test]
    fn unknown_keys_and_wrong_types_are_named() {
        for (text, named) in [
            ("mount = []", "mount"),
            ("[[mounts]]\nhost = '.'\nguest = '/x'\nreadonly = true", "readonly"),
            ("cwd = 3", "cwd"),
        ] {
            let error = Config::parse(text).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
