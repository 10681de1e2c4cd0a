//! Options of a VM as a script gives them (api.md section 2.2), in the plain form that a binding makes of them.
//!
//! What only the script has - functions, descriptors of packages, filesystems written in its language - the binding has
//! replaced by names and numbers before: `software` lists names of bundled packages and references to this user's store, `agents` one of `{id, acpAdapter, agentPackage, command?}`,
//! and each mount is in its native form
//! `{path, plugin: {id, config}, readOnly?, maxBytes?, maxFiles?}`. Filesystems that this crate does not know are opened by
//! the binding's [`Drivers`].

use super::invalid::InvalidConfig;
use super::section::{Section, checked};
use super::{software, tools, vm};
use crate::options::VmOptions;
use agentos::vfs::{Filesystem, Gid, MemoryFs, OverlayFs, SetAttr, Uid};
use agentos::{Mount, Secret, Tool};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Filesystems that the binding knows.
pub trait Drivers {
    /// Opens the filesystem with this plugin id; `None` for an id that it does not know.
    fn open(&mut self, id: &str, config: &Value) -> Option<Result<Arc<dyn Filesystem>, String>>;

    /// The tool whose input has this schema and whose function the binding knows by `function`; `None` if it has no such
    /// functions.
    fn tool(&mut self, schema: Value, function: &Value) -> Option<Result<Tool, String>> {
        let _ = (schema, function);
        None
    }
}

/// Reads options. Nothing is opened that the options do not name, and nothing is created.
///
/// # Errors
/// Every problem of keys, types and values, with the path of the option.
pub fn options_from_json(options: Map<String, Value>, drivers: &mut dyn Drivers) -> Result<VmOptions, InvalidConfig> {
    let (mut section, problems) = Section::root(options);
    let options = read(&mut section, drivers);
    drop(section);
    let options = checked(options, &problems)?;
    options.check()?;
    Ok(options)
}

/// Reads one mount in its native form.
///
/// # Errors
/// Every problem, with its path within the mount.
pub fn mount_from_json(given: Value, drivers: &mut dyn Drivers) -> Result<Mount, InvalidConfig> {
    let Value::Object(members) = given else {
        return Err(InvalidConfig::one("mount", "must be an object"));
    };
    let (mut section, problems) = Section::root(members);
    let mount = mount(&mut section, drivers);
    drop(section);
    match checked(mount, &problems)? {
        Some(mount) => Ok(mount),
        None => Err(InvalidConfig::one("mount", "is incomplete")),
    }
}

/// Opens a filesystem in its native form, `{id, config}`, as a layer below what is written.
///
/// # Errors
/// Every problem, with its path within the form.
pub fn layer_from_json(given: Value, drivers: &mut dyn Drivers) -> Result<Arc<dyn Filesystem>, InvalidConfig> {
    let Value::Object(members) = given else {
        return Err(InvalidConfig::one("plugin", "must be an object"));
    };
    let (mut section, problems) = Section::root(members);
    let layer = filesystem(&mut section, drivers);
    drop(section);
    match checked(layer, &problems)? {
        Some(layer) => Ok(layer),
        None => Err(InvalidConfig::one("plugin", "is incomplete")),
    }
}

fn read(section: &mut Section, drivers: &mut dyn Drivers) -> VmOptions {
    let mut options = VmOptions::new();
    let mut given = software::read(section);
    for mut agent in section.sections("agents") {
        if let Some(agent) = software::declared(&mut agent) {
            given.declare(agent);
        }
    }
    options = given.apply(options);
    if let Some(text) = section.text("additionalInstructions") {
        options = options.additional_instructions(text);
    }
    without_software(options, section, drivers)
}

/// Everything but `software`.
pub(super) fn without_software(mut options: VmOptions, section: &mut Section, drivers: &mut dyn Drivers) -> VmOptions {
    options = vm::common(options, section);
    if let Some(env) = section.section("env") {
        options = env
            .strings()
            .into_iter()
            .fold(options, |options, (name, value)| options.env(name, value));
    }
    options = secrets(options, section);
    for mut given in section.sections("mounts") {
        if let Some(mount) = mount(&mut given, drivers) {
            options = options.mount(mount);
        }
    }
    options = vm::images(options, section, None);
    for mut given in section.sections("toolKits") {
        if let Some(kit) = tools::kit(&mut given, drivers) {
            options = options.tool_kit(kit);
        }
    }
    vm::network(options, section, None)
}

fn secrets(mut options: VmOptions, section: &mut Section) -> VmOptions {
    for mut given in section.sections("secrets") {
        let (Some(name), Some(value)) = (given.text("name"), given.text("value")) else {
            given.problem(
                "name",
                "and value are needed: the variable in the VM, and what it stands for",
            );
            continue;
        };
        let mut secret = Secret::new(name, value).hosts(given.texts("hosts").unwrap_or_default());
        if let Some(header) = given.text("header") {
            secret = secret.header(header);
        }
        options = options.secret(secret);
    }
    options
}

/// Most bytes or files that a mount's own cap can name.
const CAP_MAX: u64 = 1 << 50;

/// Reads one mount in its native form.
fn mount(given: &mut Section, drivers: &mut dyn Drivers) -> Option<Mount> {
    let path = given.text("path");
    let plugin = given.section("plugin");
    let read_only = given.flag("readOnly").unwrap_or(false);
    let (bytes, files) = (
        given.integer("maxBytes", 0..=CAP_MAX),
        given.integer("maxFiles", 0..=CAP_MAX),
    );
    let Some(path) = path else {
        given.problem("path", "is missing: the path in the VM");
        return None;
    };
    let Some(mut plugin) = plugin else {
        given.problem("plugin", "is missing: what to mount");
        return None;
    };
    let (source, own_read_only) = source(&mut plugin, drivers)?;
    let mut mount = match source {
        Source::Memory => Mount::memory(path),
        Source::HostDir(host) => Mount::host_dir(host, path),
        Source::Filesystem(filesystem) => Mount::filesystem(path, filesystem),
    };
    if read_only || own_read_only {
        mount = mount.read_only();
    }
    if let Some(bytes) = bytes {
        mount = mount.max_bytes(bytes);
    }
    if let Some(files) = files {
        mount = mount.max_files(files);
    }
    Some(mount)
}

enum Source {
    Memory,
    HostDir(String),
    Filesystem(Arc<dyn Filesystem>),
}

/// Reads `{id, config}`. The second of the result says whether the plugin itself is read-only.
fn source(plugin: &mut Section, drivers: &mut dyn Drivers) -> Option<(Source, bool)> {
    let id = plugin.text("id");
    let Some(id) = id else {
        plugin.problem(
            "id",
            "is missing: memory, host_dir, overlay or a filesystem of your own",
        );
        return None;
    };
    match id.as_str() {
        "memory" => {
            drop(plugin.section("config"));
            Some((Source::Memory, false))
        }
        "host_dir" => {
            let mut config = plugin.section("config")?;
            let read_only = config.flag("readOnly").unwrap_or(false);
            match config.text("hostPath") {
                Some(host) => Some((Source::HostDir(host), read_only)),
                None => {
                    config.problem("hostPath", "is missing: a directory of the host");
                    None
                }
            }
        }
        "overlay" => {
            let mut config = plugin.section("config")?;
            let lowers: Vec<Option<Arc<dyn Filesystem>>> = config
                .sections("lowers")
                .iter_mut()
                .map(|lower| filesystem(lower, drivers))
                .collect();
            let upper = match config.section("upper") {
                Some(mut upper) => filesystem(&mut upper, drivers),
                None => Some(memory()),
            };
            let lowers: Option<Vec<_>> = lowers.into_iter().collect();
            let (lowers, upper) = (lowers?, upper?);
            if lowers.is_empty() {
                config.problem("lowers", "must name at least one filesystem");
                return None;
            }
            match OverlayFs::new(upper, lowers) {
                Ok(overlay) => Some((Source::Filesystem(overlay), false)),
                Err(error) => {
                    config.problem("lowers", error);
                    None
                }
            }
        }
        other => {
            let config = plugin.take("config").unwrap_or_default();
            match drivers.open(other, &config) {
                Some(Ok(filesystem)) => Some((Source::Filesystem(filesystem), false)),
                Some(Err(reason)) => {
                    plugin.problem("config", reason);
                    None
                }
                None => {
                    plugin.problem("id", "must be memory, host_dir or overlay");
                    None
                }
            }
        }
    }
}

/// A layer of an overlay.
fn filesystem(plugin: &mut Section, drivers: &mut dyn Drivers) -> Option<Arc<dyn Filesystem>> {
    let (source, read_only) = source(plugin, drivers)?;
    match source {
        Source::Memory => Some(memory()),
        Source::Filesystem(filesystem) => Some(filesystem),
        Source::HostDir(host) => match agentos::vfs::HostDirFs::open(std::path::Path::new(&host), read_only) {
            Ok(filesystem) => Some(filesystem as Arc<dyn Filesystem>),
            Err(error) => {
                plugin.problem(
                    "config.hostPath",
                    format_args!("{host}: {error}; the host directory must exist"),
                );
                None
            }
        },
    }
}

/// A layer in memory that belongs to the VM's user, with a quota of its own as large as a VM's by default.
fn memory() -> Arc<dyn Filesystem> {
    let memory = MemoryFs::new(agentos::system_clock(), agentos::quota(&agentos::Limits::default()));
    let owner = SetAttr {
        uid: Some(Uid::USER),
        gid: Some(Gid::USER),
        ..SetAttr::default()
    };
    // A new filesystem has its root; should it not, the layer is the superuser's and can only be read.
    let _ = memory.setattr(memory.root(), &owner);
    memory
}
