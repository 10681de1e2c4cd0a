//! A VM definition and a registry as programs in JavaScript write them (api.md sections 2.1 to 2.3): as JSON, in which an
//! object `{"$kind": "a function"}` stands for each function.
//!
//! Only what is data is read here. Which hooks there are is remembered, and whoever holds the functions calls them. Options
//! that belong to parts of the product that do not exist are refused by name instead of being ignored.

use super::invalid::{InvalidConfig, Problems};
use super::script::{self, Drivers};
use super::section::{Section, checked, is_function, mismatch};
use super::vm::times;
use super::{ServerConfig, Token, software};
use crate::definition::{VmDefinition, VmDefinitionBuilder};
use crate::limits::ServerLimits;
use crate::options::VmOptions;
use crate::registry::RegistryBuilder;
use agentos::Mount;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// The hooks that a definition can have.
const HOOKS: &[&str] = &[
    "onBeforeConnect",
    "createConnState",
    "onConnect",
    "onDisconnect",
    "onBeforeAction",
    "canReceive",
    "onSessionEvent",
    "onPermissionRequest",
    "onAuditEvent",
];

/// What `agentOs(config)` was given, as far as it is data.
#[derive(Debug)]
#[non_exhaustive]
pub struct SdkDefinition {
    /// The options and times. Hooks, and options that are made for each VM, are still to be set.
    pub builder: VmDefinitionBuilder,
    /// Names of the hooks that are functions.
    pub hooks: Vec<&'static str>,
    /// Whether a function makes the options.
    pub options_per_vm: bool,
}

impl SdkDefinition {
    /// Reads the argument of `agentOs`. Filesystems of the program's own are opened by `drivers`.
    ///
    /// # Errors
    /// Everything that is wrong, with the path of the key.
    pub fn read(config: Value, drivers: &mut dyn Drivers) -> Result<Self, InvalidConfig> {
        let (mut root, problems) = Section::root(members(config, "agentOs(config)")?);
        let hooks = HOOKS.iter().copied().filter(|name| root.function(name)).collect();
        let mut builder = times(VmDefinition::builder(), &mut root);
        builder = builder.db(database(&mut root));
        let mut options_per_vm = false;
        match root.take("options") {
            None => builder = builder.options(VmOptions::new().software([])),
            Some(value) if is_function(&value) => options_per_vm = true,
            Some(Value::Object(members)) => {
                let section = root.nested("options", members);
                builder = with_options(builder, section, &problems, drivers);
            }
            Some(other) => root.problem("options", mismatch("an object or a function", &other)),
        }
        drop(root);
        problems.finish()?;
        // What concerns several options together; the builder knows no function of the program.
        builder.clone().build()?;
        Ok(Self {
            builder,
            hooks,
            options_per_vm,
        })
    }
}

/// Whether `db` asks for a database: the value of `db(...)`, whose members are marks.
pub(super) fn database(root: &mut Section) -> bool {
    let Some(mut given) = root.section("db") else {
        return false;
    };
    match given.text("kind").as_deref() {
        Some("sqlite") => true,
        _ => {
            given.problem("kind", "must be what db({}) gave");
            false
        }
    }
}

/// Reads options and what of the definition they decide. Problems are collected.
fn with_options(
    builder: VmDefinitionBuilder,
    mut section: Section,
    problems: &Problems,
    drivers: &mut dyn Drivers,
) -> VmDefinitionBuilder {
    let options = options(&mut section, drivers);
    let path = section.path().to_owned();
    drop(section);
    if let Err(invalid) = options.check() {
        problems.extend(InvalidConfig::lines(&path, &invalid.to_string()));
    }
    builder.options(options)
}

impl VmOptions {
    /// Reads the options of one VM (api.md section 2.2) from JSON, as JavaScript writes them. Unlike
    /// [`VmOptions::new`] they hold no commands unless `software` names some.
    ///
    /// # Errors
    /// Everything that is wrong; each path begins with `options`.
    pub fn from_json(config: Value, drivers: &mut dyn Drivers) -> Result<Self, InvalidConfig> {
        let (root, problems) = Section::root(Map::new());
        let mut section = root.nested("options", members(config, "options")?);
        let options = options(&mut section, drivers);
        drop(section);
        problems.finish()?;
        match options.check() {
            Ok(()) => Ok(options),
            Err(invalid) => Err(InvalidConfig::lines("options", &invalid.to_string())),
        }
    }
}

fn options(section: &mut Section, drivers: &mut dyn Drivers) -> VmOptions {
    let mut options = software::read(section).apply(VmOptions::new());
    if let Some(folder) = section.text("moduleAccessCwd") {
        let modules = Path::new(&folder).join("node_modules");
        options = options.mount(Mount::host_dir(modules, "/root/node_modules").read_only());
    }
    if let Some(text) = section.text("additionalInstructions") {
        options = options.additional_instructions(text);
    }
    // Of the Linux executor: checked here, used there.
    section.texts("allowedNodeBuiltins");
    absent(section);
    script::without_software(options, section, drivers)
}

/// Options that stand for parts of the product which do not exist. Empty ones ask for nothing.
fn absent(section: &mut Section) {
    match section.take("rootFilesystem") {
        Some(Value::Object(members)) if members.is_empty() => {}
        Some(_) => section.problem(
            "rootFilesystem",
            "another root filesystem is not available in this version",
        ),
        None => {}
    }
    for name in ["scheduleDriver", "sidecar"] {
        if section.take(name).is_some() {
            section.problem(name, "is for AgentOs.create alone");
        }
    }
}

/// What `setup(config)` was given, besides its definitions, over what the environment says.
#[derive(Debug)]
#[non_exhaustive]
pub struct SetupConfig {
    /// Where `registry.start()` listens: `AGENTOS_HOST` and `AGENTOS_PORT`, 127.0.0.1:6420 unless set.
    pub listen: std::net::SocketAddr,
    /// Where everything durable is; `agentos` in the user's data directory unless set.
    pub data_dir: Option<PathBuf>,
    /// The gateway's token.
    pub token: Option<Token>,
    /// Origins whose pages may use the API.
    pub origins: Vec<String>,
    /// Bounds of the server.
    pub limits: ServerLimits,
}

impl SetupConfig {
    /// Reads the argument of `setup` without `use`.
    ///
    /// # Errors
    /// Everything that is wrong, in it and in the environment.
    pub fn read(config: Value) -> Result<Self, InvalidConfig> {
        Self::over(config, &|name| {
            std::env::var(name).ok().filter(|value| !value.is_empty())
        })
    }

    fn over(config: Value, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, InvalidConfig> {
        let environment = ServerConfig::read(Map::new(), Path::new(""), variable)?;
        let (mut root, problems) = Section::root(members(config, "setup(config)")?);
        // Its members are the program's definitions, which are looked at there.
        root.take("use");
        let mut setup = Self {
            listen: environment.listen,
            data_dir: environment.data_dir.or_else(crate::serve::default_data_dir),
            token: environment.token,
            origins: Vec::new(),
            limits: ServerLimits::default(),
        };
        if let Some(dir) = root.text("dataDir") {
            setup.data_dir = Some(PathBuf::from(dir));
        }
        match root.text("token") {
            Some(token) if token.is_empty() => root.problem("token", "must not be empty"),
            Some(token) => setup.token = Some(Token::new(token)),
            None => {}
        }
        if let Some(mut cors) = root.section("cors") {
            setup.origins = cors.texts("origins").unwrap_or_default();
        }
        setup.read_limits(&mut root, &problems);
        drop(root);
        checked(setup, &problems)
    }

    fn read_limits(&mut self, root: &mut Section, problems: &Problems) {
        let mut set = |section: &mut Section, name: &'static str, bounds: (u64, u64)| {
            if let Some(value) = section.integer(name, bounds.0..=bounds.1)
                && let Err(invalid) = self.limits.set(name, value)
            {
                problems.extend(invalid);
            }
        };
        if let Some(mut section) = root.section("limits") {
            for field in ServerLimits::FIELDS {
                set(&mut section, field.name, field.bounds);
            }
        }
        for field in ServerLimits::FIELDS {
            if matches!(field.name, "maxIncomingMessageSize" | "maxOutgoingMessageSize") {
                set(root, field.name, field.bounds);
            }
        }
    }

    /// A registry with all of this; definitions are still to be added.
    pub fn into_builder(self) -> RegistryBuilder {
        let mut builder = RegistryBuilder::default().limits(self.limits).cors(self.origins);
        if let Some(dir) = self.data_dir {
            builder = builder.data_dir(dir);
        }
        if let Some(token) = self.token {
            builder = builder.token(token.into_inner());
        }
        builder
    }
}

/// The members of an argument that must be an object.
pub(super) fn members(config: Value, path: &str) -> Result<Map<String, Value>, InvalidConfig> {
    match config {
        Value::Object(members) if !is_function(&Value::Object(members.clone())) => Ok(members),
        other => Err(InvalidConfig::one(path, mismatch("an object", &other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentos::vfs::Filesystem;
    use serde_json::json;
    use std::sync::Arc;

    /// Knows no filesystems.
    struct NoDrivers;

    impl Drivers for NoDrivers {
        fn open(&mut self, _id: &str, _config: &Value) -> Option<Result<Arc<dyn Filesystem>, String>> {
            None
        }
    }

    fn read(config: Value) -> Result<SdkDefinition, InvalidConfig> {
        SdkDefinition::read(config, &mut NoDrivers)
    }

    fn refused(config: Value) -> String {
        read(config).unwrap_err().to_string()
    }

    fn function() -> Value {
        json!({"$kind": "a function"})
    }

    #[test]
    fn the_documented_programs_are_read() {
        let common = json!([{"name": "common"}]);
        let first = read(json!({"options": {
            "software": [common, {"name": "pi", "type": "agent", "agent": {"id": "pi", "acpAdapter": "x"}}],
            "limits": {"resources": {"cpuCount": 1, "maxProcesses": 64, "maxFilesystemBytes": 536_870_912_u64,
                "maxWasmMemoryBytes": 268_435_456}},
        }}));
        assert!(first.unwrap().hooks.is_empty());
        read(json!({"options": {"software": [common], "loopbackExemptPorts": [8080, 3000]}})).unwrap();
        let third = read(json!({"onBeforeConnect": function(), "options": {"software": [common]}}));
        assert_eq!(third.unwrap().hooks, ["onBeforeConnect"]);
        assert!(read(json!({"options": function()})).unwrap().options_per_vm);
    }

    #[test]
    fn unknown_keys_and_wrong_values_are_named_with_their_path() {
        for (config, expected) in [
            (
                json!({"onConect": function()}),
                "onConect: unknown key (did you mean onConnect?)",
            ),
            (
                json!({"onConnect": true}),
                "onConnect: must be a function, got boolean true",
            ),
            (
                json!({"options": {"software": ["nothing"]}}),
                "options.software[0]: unknown software \"nothing\"",
            ),
            (
                json!({"options": {"limits": {"resources": {"maxProceses": 1}}}}),
                "options.limits.resources.maxProceses: unknown field (did you mean maxProcesses?)",
            ),
            (
                json!({"options": {"limits": {"resources": {"maxProcesses": function()}}}}),
                "options.limits.resources.maxProcesses: must be",
            ),
            (
                json!({"options": {"persist": ["home"]}}),
                "options.persist[0]: must be an absolute path",
            ),
            (
                json!({"options": {"mounts": [{"path": "/m", "plugin": {"id": "s3", "config": {"bucket": "b"}}}]}}),
                "options.mounts[0].plugin.id: must be memory, host_dir or overlay",
            ),
            (
                json!({"options": {"mounts": [{"pth": "/m", "plugin": {"id": "memory"}}]}}),
                "options.mounts[0].path: is missing",
            ),
            (
                json!({"options": {"env": {"A": 5}}}),
                "options.env.A: must be a string, got number 5",
            ),
            (json!({"options": {"env": {"A=B": "x"}}}), "options"),
            (
                json!({"options": {"toolKits": [{}]}}),
                "options.toolKits[0].name: is missing",
            ),
            (
                json!({"options": {"cwd": function()}}),
                "options.cwd: must be a string, got a function",
            ),
            (
                json!({"options": 5}),
                "options: must be an object or a function, got number 5",
            ),
            (
                json!({"preview": {"maxExpiresInSeconds": 5}}),
                "preview.defaultExpiresInSeconds: 3600 must not exceed",
            ),
            (json!([]), "agentOs(config): must be an object, got an array"),
        ] {
            let error = refused(config);
            assert!(error.starts_with(expected), "{error}\n{expected}");
        }
    }

    #[test]
    fn mounts_are_plugins() {
        let options = json!({"mounts": [
            {"path": "/a", "plugin": {"id": "memory"}, "maxBytes": 5},
            {"path": "/b", "plugin": {"id": "host_dir", "config": {"hostPath": "/tmp", "readOnly": true}}},
        ]});
        VmOptions::from_json(options, &mut NoDrivers).unwrap();
        let error = VmOptions::from_json(json!({"mounts": [{"path": "/a"}]}), &mut NoDrivers).unwrap_err();
        assert!(
            error.to_string().starts_with("options.mounts[0].plugin: is missing"),
            "{error}"
        );
    }

    #[test]
    fn what_setup_says_wins_over_the_environment() {
        let variable = |name: &str| match name {
            "AGENTOS_PORT" => Some("1234".to_owned()),
            "AGENTOS_DATA_DIR" => Some("/from/env".to_owned()),
            _ => None,
        };
        let setup = |config| SetupConfig::over(config, &variable);
        let plain = setup(json!({})).unwrap();
        assert_eq!(
            (plain.listen.port(), plain.data_dir.as_deref()),
            (1234, Some(Path::new("/from/env")))
        );
        let given = setup(json!({"dataDir": "/d", "limits": {"maxVms": 3}, "maxIncomingMessageSize": 4096, "use": {}}));
        let given = given.unwrap();
        assert_eq!(
            (given.limits.max_vms, given.limits.max_incoming_message_size),
            (3, 4096)
        );
        assert_eq!(given.data_dir.as_deref(), Some(Path::new("/d")));
        let error = setup(json!({"datadir": "/d"})).unwrap_err().to_string();
        assert_eq!(error, "datadir: unknown key (did you mean dataDir?)");
    }
}
