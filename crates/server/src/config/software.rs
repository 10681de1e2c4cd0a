//! The software of a VM as programs in JavaScript name it (api.md section 9): descriptors, bundled names, arrays of both.

use super::section::{Section, mismatch};
use super::stored::{Found, find};
use crate::options::VmOptions;
use agentos::store::{Package, Store};
use agentos::{AgentSpec, Software};
use serde_json::{Map, Value};

/// Bundled packages of commands. Every one of them brings the whole userland: its programs are a few files under many names.
const COMMANDS: &[&str] = &[
    "common",
    "coreutils",
    "curl",
    "diffutils",
    "file",
    "findutils",
    "gawk",
    "grep",
    "gzip",
    "jq",
    "ripgrep",
    "sed",
    "sqlite3",
    "tar",
    "tree",
    "unzip",
    "wget",
    "yq",
    "zip",
];

/// Agents that the product knows by name, with the package of their adapter.
const AGENTS: &[(&str, &str)] = &[
    ("claude", "@agentos/claude"),
    ("codex", "@agentos/codex"),
    ("opencode", "@agentos/opencode"),
    ("pi", "@agentos/pi"),
    ("pi-cli", "@agentos/pi-cli"),
];

/// Nested arrays at most; a package that groups others is one level.
const MAX_DEPTH: usize = 8;

/// What `software` asks for.
#[derive(Default)]
pub(super) struct Given {
    pub(super) packages: Vec<Software>,
    /// Of this user's store.
    pub(super) stored: Vec<Package>,
    pub(super) agents: Vec<AgentSpec>,
}

/// Reads the member `software`.
pub(super) fn read(section: &mut Section) -> Given {
    let mut given = Given::default();
    for (at, item) in section.items("software").unwrap_or_default().into_iter().enumerate() {
        given.add(section, &format!("software[{at}]"), item, 0);
    }
    given
}

impl Given {
    /// The options with all of it.
    pub(super) fn apply(self, options: VmOptions) -> VmOptions {
        let options = self
            .stored
            .into_iter()
            .fold(options.software(self.packages), VmOptions::package);
        self.agents.into_iter().fold(options, VmOptions::agent)
    }

    /// One more agent. One of the product's that the store has comes from there, with how it is to be started.
    pub(super) fn declare(&mut self, agent: AgentSpec) {
        match stored(agent.id()) {
            Some(package) if AgentSpec::known_as(agent.id()).as_ref() == Some(&agent) => self.keep(package),
            _ => self.agents.push(agent),
        }
    }

    /// One more package of the store; once is enough.
    fn keep(&mut self, package: Package) {
        if !self.stored.iter().any(|known| known.spec() == package.spec()) {
            self.stored.push(package);
        }
    }

    fn add(&mut self, section: &Section, name: &str, item: Value, depth: usize) {
        match item {
            Value::String(bundled) => self.bundled(section, name, &bundled),
            Value::Array(items) if depth < MAX_DEPTH => {
                for (at, item) in items.into_iter().enumerate() {
                    self.add(section, &format!("{name}[{at}]"), item, depth + 1);
                }
            }
            Value::Array(_) => section.problem(name, format_args!("arrays are nested at most {MAX_DEPTH} deep")),
            Value::Object(descriptor) if !descriptor.contains_key(super::section::KIND) => {
                self.descriptor(section, name, descriptor);
            }
            other => section.problem(
                name,
                mismatch("a software package, its name, or an array of these", &other),
            ),
        }
    }

    fn bundled(&mut self, section: &Section, path: &str, name: &str) {
        if COMMANDS.contains(&name) {
            self.packages.push(Software::Common);
        } else if AGENTS.iter().any(|(id, _)| *id == name) {
            // Sessions know these by themselves, and look for their commands in the VM; where the store has them, they are there.
            stored(name).into_iter().for_each(|package| self.keep(package));
        } else {
            match find(name) {
                Ok(Found::Bundled(package)) => self.packages.push(package),
                Ok(Found::Stored(package)) => self.keep(package),
                Err(reason) if name.contains(':') || name == "node" => section.problem(path, reason),
                Err(reason) => unknown(section, path, name, reason),
            }
        }
    }

    /// An object: a bundled package under its name, or an agent by id, adapter and command.
    fn descriptor(&mut self, section: &Section, path: &str, descriptor: Map<String, Value>) {
        let mut object = section.nested(path, descriptor);
        let (name, kind) = (object.text("name"), object.text("type"));
        for known in [
            "description",
            "aptName",
            "source",
            "commands",
            "permissions",
            "packageDir",
            "requires",
            "version",
        ] {
            object.take(known);
        }
        if object.take("commandDir").is_some() {
            object.problem(
                "commandDir",
                "packages with programs of their own are not available in this version",
            );
        }
        let agent = match object.section("agent") {
            Some(mut agent) => {
                agent.take("prepareInstructions");
                declared(&mut agent)
            }
            None => declared(&mut object),
        };
        match (agent, name, kind.as_deref()) {
            (Some(agent), ..) => self.declare(agent),
            (None, Some(name), None | Some("commands" | "wasm-commands" | "agent")) => {
                self.bundled(&object, "name", &name);
            }
            (None, _, Some(other)) if !matches!(other, "commands" | "wasm-commands" | "agent") => {
                object.problem("type", "must be commands or agent");
            }
            (None, ..) => object.problem("name", "is missing: the name of the package"),
        }
    }
}

/// Tells of a name that is neither bundled nor in the store; `reason` is what the store says.
fn unknown(section: &Section, path: &str, name: &str, reason: String) {
    let shown: String = name.chars().take(64).flat_map(char::escape_default).collect();
    let agents = AGENTS.iter().map(|(id, _)| *id);
    let known: Vec<&str> = COMMANDS.iter().copied().chain(agents).collect();
    match crate::actions::nearest(name, &known) {
        Some(near) => section.problem(
            path,
            format_args!("unknown software \"{shown}\" (did you mean {near}?)"),
        ),
        None if reason.contains("did you mean") => section.problem(path, reason),
        None => {
            let known = known.join(", ");
            section.problem(
                path,
                format_args!("unknown software \"{shown}\", expected one of: {known}"),
            );
        }
    }
}

/// An agent of the product's that the store of this user has.
fn stored(agent: &str) -> Option<Package> {
    let is_known = AGENTS.iter().any(|(id, _)| *id == agent);
    is_known.then(|| Store::user().and_then(|store| store.get(agent)).ok())?
}

/// An agent by its id. Without a command of its own it is started by the command of its adapter, whose name is the last part
/// of the package's.
pub(super) fn declared(object: &mut Section) -> Option<AgentSpec> {
    let (id, adapter, package) = (
        object.text("id"),
        object.text("acpAdapter"),
        object.text("agentPackage"),
    );
    let command = match object.take("command") {
        None | Some(Value::Null) => None,
        Some(Value::String(command)) => Some(vec![command]),
        Some(Value::Array(parts)) if !parts.is_empty() && parts.iter().all(Value::is_string) => {
            Some(parts.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        }
        Some(other) => {
            object.problem(
                "command",
                mismatch("a program, or an array of it and its arguments", &other),
            );
            None
        }
    };
    let previews_v2 = match object.take("protocol") {
        None | Some(Value::Null) => false,
        Some(Value::Number(version)) if matches!(version.as_u64(), Some(1 | 2)) => version.as_u64() == Some(2),
        Some(other) => {
            object.problem("protocol", mismatch("1, or 2 for a preview of version 2", &other));
            false
        }
    };
    let (id, adapter) = (id?, adapter.unwrap_or_default());
    if command.is_none() && AGENTS.iter().any(|(known, _)| *known == id) {
        let agent = AgentSpec::known_as(&id);
        return agent.map(|agent| if previews_v2 { agent.preview_v2() } else { agent });
    }
    let name = adapter.rsplit('/').next().unwrap_or_default().to_owned();
    let agent = AgentSpec::new(id, command.unwrap_or_else(|| vec![name]));
    let agent = if previews_v2 { agent.preview_v2() } else { agent };
    let package = package.unwrap_or_else(|| adapter.clone());
    Some(agent.packages(adapter, package))
}
