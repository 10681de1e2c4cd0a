//! `agentos.toml`, and what the environment and the command line add to it.
//!
//! ```toml
//! listen = "127.0.0.1:6420"
//! dataDir = "/var/lib/agentos"
//! tokenFile = "token"
//! [cors]
//! origins = ["https://app.example"]
//! [limits]
//! maxVms = 1000
//! [vms.vm]
//! persist = ["/home/user"]
//! ```
//!
//! The order of precedence, lowest first: defaults, environment, file, command line. Paths in the file are relative to its
//! folder. Everything that is wrong is reported at once, with the full path of the key.

use super::invalid::{InvalidConfig, Problems};
use super::section::{Section, checked};
use super::vm;
use crate::definition::VmDefinition;
use crate::limits::ServerLimits;
use crate::logs::LogFormat;
use agentos::Cgroup;
use serde_json::{Map, Value};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where a server listens unless told otherwise.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 6420);

/// Most processes of Node.js that are kept ready.
const PARKED_NODE_MOST: u64 = 256;

/// What a server is started with.
#[derive(Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Address and port to listen at; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where everything durable is.
    pub data_dir: Option<PathBuf>,
    /// The gateway's token.
    pub token: Option<Token>,
    /// Origins whose pages may use the API.
    pub origins: Vec<String>,
    /// Certificate chain and key, PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Listen beyond loopback although nobody is authenticated.
    pub allow_insecure_bind: bool,
    /// Take over from a server that serves the same data directory.
    pub take_over: bool,
    /// Bounds of the server.
    pub limits: ServerLimits,
    /// How the log is written.
    pub log_format: Option<LogFormat>,
    /// How many processes of Node.js are kept ready.
    pub parked_node: usize,
    /// Where the control groups of VMs with Linux programs are made.
    pub cgroup: Cgroup,
    /// The definitions, by name.
    pub vms: Vec<(String, VmDefinition)>,
}

/// A secret text that is not printed.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Takes a token.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// The text, for the gateway alone.
    pub(crate) fn into_inner(self) -> String {
        self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where; without the rest of the line, where a secret may stand.
        reason: String,
    },
    /// Keys or values that are not accepted.
    #[error("{0}")]
    Invalid(#[from] InvalidConfig),
}

impl ServerConfig {
    /// Reads the environment and, over it, a file.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        match path {
            None => Ok(Self::read(Map::new(), Path::new(""), &variable)?),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
                    path: path.to_owned(),
                    source,
                })?;
                let members = toml::from_str(&text).map_err(|error| ConfigError::Syntax {
                    path: path.to_owned(),
                    reason: located(&text, &error),
                })?;
                Ok(Self::read(members, path.parent().unwrap_or(Path::new("")), &variable)?)
            }
        }
    }

    /// Reads the members of a file in `folder`, over what `variable` gives for names of the environment.
    pub(crate) fn read(
        members: Map<String, Value>,
        folder: &Path,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, InvalidConfig> {
        let (mut root, problems) = Section::root(members);
        let mut config = Self::environment(variable, &problems);
        if let Some(listen) = root.text("listen") {
            match listen.parse() {
                Ok(address) => config.listen = address,
                Err(_) => root.problem("listen", "must be an address with a port such as 127.0.0.1:6420"),
            }
        }
        if let Some(dir) = root.text("dataDir") {
            config.data_dir = Some(folder.join(dir));
        }
        config.read_token(&mut root, folder);
        config.allow_insecure_bind = root.flag("allowInsecureBind").unwrap_or(false);
        if let Some(mut cors) = root.section("cors") {
            config.origins = cors.texts("origins").unwrap_or_default();
        }
        if let Some(tls) = root.section("tls") {
            config.tls = read_tls(tls, folder);
        }
        if let Some(mut log) = root.section("log")
            && let Some(format) = log.text("format")
        {
            match format.parse() {
                Ok(format) => config.log_format = Some(format),
                Err(reason) => log.problem("format", reason),
            }
        }
        if let Some(linux) = root.section("linux") {
            config.read_linux(linux);
        }
        config.read_limits(&mut root, &problems);
        if let Some(vms) = root.section("vms") {
            config.read_vms(vms, folder, &problems);
        }
        drop(root);
        checked(config, &problems)
    }

    fn environment(variable: &dyn Fn(&str) -> Option<String>, problems: &Problems) -> Self {
        let mut listen = DEFAULT_LISTEN;
        if let Some(host) = variable("AGENTOS_HOST") {
            match host.trim_matches(['[', ']']).parse() {
                Ok(ip) => listen.set_ip(ip),
                Err(_) if host == "localhost" => {}
                Err(_) => problems.add("AGENTOS_HOST", "must be an IP address"),
            }
        }
        if let Some(port) = variable("AGENTOS_PORT") {
            match port.parse() {
                Ok(port) => listen.set_port(port),
                Err(_) => problems.add("AGENTOS_PORT", "must be a port between 0 and 65535"),
            }
        }
        Self {
            listen,
            data_dir: variable("AGENTOS_DATA_DIR").map(PathBuf::from),
            token: variable("AGENTOS_TOKEN").map(Token),
            origins: Vec::new(),
            tls: None,
            allow_insecure_bind: false,
            take_over: false,
            limits: ServerLimits::default(),
            log_format: None,
            parked_node: 0,
            cgroup: Cgroup::default(),
            vms: Vec::new(),
        }
    }

    fn read_token(&mut self, root: &mut Section, folder: &Path) {
        let (token, file) = (root.text("token"), root.text("tokenFile"));
        match (token, file) {
            (Some(_), Some(_)) => root.problem("tokenFile", "token and tokenFile exclude each other"),
            (Some(token), None) if token.is_empty() => root.problem("token", "must not be empty"),
            (Some(token), None) => self.token = Some(Token(token)),
            (None, Some(file)) => match token_file(&folder.join(file)) {
                Ok(token) => self.token = Some(token),
                Err(reason) => root.problem("tokenFile", reason),
            },
            (None, None) => {}
        }
    }

    fn read_linux(&mut self, mut linux: Section) {
        if let Some(parked) = linux.integer("parkedNode", 0..=PARKED_NODE_MOST) {
            self.parked_node = usize::try_from(parked).unwrap_or(0);
        }
        if let Some(place) = linux.text("cgroup") {
            match place.parse() {
                Ok(cgroup) => self.cgroup = cgroup,
                Err(error) => linux.problem("cgroup", error.to_string()),
            }
        }
    }

    fn read_limits(&mut self, root: &mut Section, problems: &Problems) {
        let Some(mut section) = root.section("limits") else {
            return;
        };
        for field in ServerLimits::FIELDS {
            let (min, max) = field.bounds;
            if let Some(value) = section.integer(field.name, min..=max)
                && let Err(invalid) = self.limits.set(field.name, value)
            {
                problems.extend(invalid);
            }
        }
    }

    fn read_vms(&mut self, vms: Section, folder: &Path, problems: &Problems) {
        for (name, section) in vms.named() {
            if !(1..=64).contains(&name.chars().count()) {
                section.problem("", "the name of a definition has 1 to 64 characters");
            }
            match vm::definition(section, folder) {
                Ok(definition) => self.vms.push((name, definition)),
                Err(invalid) => problems.extend(invalid),
            }
        }
    }
}

/// A token from a file: its first line.
///
/// # Errors
/// Why there is none, for people.
pub fn token_file(path: &Path) -> Result<Token, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    match text.lines().next().map(str::trim) {
        None | Some("") => Err(format!("{}: the first line is empty", path.display())),
        Some(token) => Ok(Token(token.to_owned())),
    }
}

fn read_tls(mut tls: Section, folder: &Path) -> Option<(PathBuf, PathBuf)> {
    match (tls.text("certFile"), tls.text("keyFile")) {
        (Some(cert), Some(key)) => Some((folder.join(cert), folder.join(key))),
        (None, _) => {
            tls.problem("certFile", "is missing: a PEM file with the certificate chain");
            None
        }
        (_, None) => {
            tls.problem("keyFile", "is missing: a PEM file with the private key");
            None
        }
    }
}

/// What is wrong and where, without the rest of the line: a secret may stand there.
fn located(text: &str, error: &toml::de::Error) -> String {
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return error.message().to_owned();
    };
    let number = before.matches('\n').count();
    let key = text
        .lines()
        .nth(number)
        .unwrap_or_default()
        .split('=')
        .next()
        .unwrap_or_default();
    format!("line {}: {}: {}", number + 1, key.trim(), error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ServerConfig, InvalidConfig> {
        ServerConfig::read(toml::from_str(text).unwrap(), Path::new("/etc"), &|_| None)
    }

    #[test]
    fn the_documented_file_is_accepted() {
        let config = read(
            "listen = '127.0.0.1:7000'\ndataDir = 'data'\ntoken = 'x'\nallowInsecureBind = false\n[cors]\n\
             origins = ['https://app.example']\n[limits]\nmaxVms = 10\n[vms.vm]\npersist = ['/home/user', '/srv']\n\
             actionTimeoutMs = 1000\nloopbackExemptPorts = [8080]\n[vms.vm.sleep]\nidleTimeoutMs = 5\n[vms.vm.env]\nA = 'b'\n\
             [vms.vm.limits.resources]\nmaxProcesses = 64\nmaxFilesystemBytes = '512MiB'\n[vms.vm.permissions]\nnetwork = 'deny'\n\
             [vms.other]\npersist = 'all'\n",
        );
        let config = config.unwrap();
        assert_eq!(
            (config.listen.port(), config.vms.len(), config.limits.max_vms),
            (7000, 2, 10)
        );
        assert_eq!(config.data_dir.unwrap(), Path::new("/etc/data"));
    }

    #[test]
    fn control_groups_have_a_place() {
        let place = |text: &str| read(text).map(|config| config.cgroup);
        assert_eq!(place("").unwrap(), Cgroup::Auto);
        assert_eq!(place("[linux]\ncgroup = \"off\"\n").unwrap(), Cgroup::Off);
        let below = Cgroup::Below("/sys/fs/cgroup/agents".into());
        assert_eq!(place("[linux]\ncgroup = \"/sys/fs/cgroup/agents\"\n").unwrap(), below);
        let error = place("[linux]\ncgroup = \"mine\"\n").unwrap_err().to_string();
        let wanted = "linux.cgroup: must be auto, off, own or the absolute path of a cgroup, not \"mine\"";
        assert!(error.contains(wanted), "{error}");
    }

    #[test]
    fn parked_processes_are_counted() {
        assert_eq!(read("").unwrap().parked_node, 0);
        assert_eq!(read("[linux]\nparkedNode = 4\n").unwrap().parked_node, 4);
        let error = read("[linux]\nparkedNode = 257\nparked = 1\n").unwrap_err().to_string();
        assert!(
            error.contains("linux.parkedNode: must be an integer between 0 and 256"),
            "{error}"
        );
        assert!(error.contains("linux.parked: unknown key"), "{error}");
    }

    #[test]
    fn limits_of_previews_stand_beside_those_of_the_vm() {
        let config = read(
            "[vms.vm.limits.resources]\nmaxProcesses = 64\n[vms.vm.limits.preview]\nmaxConcurrentRequests = 3\nmaxActive = 2\n",
        );
        let config = config.unwrap();
        let limits = config.vms[0].1.fixed_limits().unwrap();
        assert_eq!(
            (
                limits.max_processes,
                limits.preview_max_concurrent_requests,
                limits.preview_max_active
            ),
            (64, 3, 2)
        );
        let error = read("[vms.vm.limits.preview]\nmaxConcurrent = 3\nidleTimeoutMs = 0\n")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("vms.vm.limits.preview.maxConcurrent: unknown field"),
            "{error}"
        );
        assert!(
            error.contains("vms.vm.limits.preview.idleTimeoutMs: must be"),
            "{error}"
        );
    }

    #[test]
    fn secrets_of_clients_have_names_and_one_source() {
        let config = read("[vms.vm]\nclientSecrets = ['A', 'B-1.x']\n[vms.vm.secretSource]\ndirectory = 'secrets'\n");
        assert_eq!(config.unwrap().vms.len(), 1);
        for (text, expected) in [
            (
                "clientSecrets = ['A', '../A']",
                "vms.vm.clientSecrets[1]: must be letters",
            ),
            ("secretSource = {}", "vms.vm.secretSource.directory: exactly one of"),
            (
                "secretSource = { directory = 'a', environmentPrefix = 'b' }",
                "vms.vm.secretSource.directory: exactly one of",
            ),
            ("secretSource = { dir = 'a' }", "vms.vm.secretSource.dir: unknown key"),
        ] {
            let error = read(&format!("[vms.vm]\n{text}\n")).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn unknown_keys_are_named_with_their_path_and_the_nearest_known() {
        for (text, expected) in [
            ("listn = 'x'", "listn: unknown key (did you mean listen?)"),
            (
                "[cors]\norigin = []",
                "cors.origin: unknown key (did you mean origins?)",
            ),
            (
                "[vms.vm]\npersits = []",
                "vms.vm.persits: unknown key (did you mean persist?)",
            ),
            (
                "[vms.vm.sleep]\nidleTimeout = 1",
                "vms.vm.sleep.idleTimeout: unknown key (did you mean idleTimeoutMs?)",
            ),
            (
                "[vms.vm.limits.resources]\nmaxProceses = 1",
                "vms.vm.limits.resources.maxProceses: unknown field (did you mean maxProcesses?)",
            ),
            (
                "[limits]\nmaxVm = 1",
                "limits.maxVm: unknown key (did you mean maxVms?)",
            ),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn everything_wrong_is_reported_at_once_and_no_secret_repeated() {
        let error = read("token = 5\nlisten = 'here'\n[tls]\nkeyFile = 'k'\n[vms.vm.env]\nSECRET = 7\n").unwrap_err();
        assert_eq!(error.problems().len(), 4, "{error}");
        let error = read("token = ['hunter2']").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn the_environment_gives_defaults() {
        let variable = |name: &str| match name {
            "AGENTOS_PORT" => Some("1234".to_owned()),
            "AGENTOS_TOKEN" => Some("t".to_owned()),
            _ => None,
        };
        let config = ServerConfig::read(Map::new(), Path::new(""), &variable).unwrap();
        assert_eq!(
            (config.listen.to_string().as_str(), config.token.is_some()),
            ("127.0.0.1:1234", true)
        );
        let file = toml::from_str("listen = '127.0.0.1:1'").unwrap();
        assert_eq!(
            ServerConfig::read(file, Path::new(""), &variable)
                .unwrap()
                .listen
                .port(),
            1
        );
    }
}
