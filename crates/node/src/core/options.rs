//! Options of a VM as the TypeScript packages give them: plain data, functions replaced by their numbers.

use super::script_fs::ScriptFs;
use super::tools;
use super::vm::invalid_config;
use crate::mailbox::Mailbox;
use agentos::Builder;
use agentos::vfs::Filesystem;
use agentos::vfs::outside::Waits;
use agentos::{Limits, LimitsDraft, Tool};
use agentos_server::{Drivers, VmOptions, layer_from_json, options_from_json};
use agentos_value::{ActorError, Value};
use std::sync::Arc;

/// What the options of a VM come down to.
pub(super) struct Read {
    options: VmOptions,
    /// Layers over the packages, the topmost first.
    lowers: Vec<Arc<dyn Filesystem>>,
    read_only_root: bool,
    /// Whether file operations of such a VM may block.
    pub(super) blocks: bool,
}

impl Read {
    /// All that was read.
    pub(super) fn into_builder(self) -> Builder {
        let builder = self.options.into_builder().read_only_root(self.read_only_root);
        self.lowers.into_iter().fold(builder, Builder::lower)
    }
}

/// Reads options.
///
/// # Errors
/// `invalid_config` with every problem and its path.
pub(super) fn from_script(options: Value, mailbox: &Arc<Mailbox>) -> Result<Read, ActorError> {
    let serde_json::Value::Object(mut members) = json(options)? else {
        return Err(invalid_config("options: must be an object"));
    };
    let blocks = members
        .get("mounts")
        .and_then(serde_json::Value::as_array)
        .is_some_and(|mounts| mounts.iter().any(may_block));
    let root = members.remove("rootFilesystem").unwrap_or_default();
    let given = root.get("lowers").and_then(serde_json::Value::as_array);
    let given = given.map(Vec::as_slice).unwrap_or_default();
    let limits = serde_json::json!({ "limits": members.get("limits") });
    let mut drivers = ScriptDrivers::of_options(Arc::clone(mailbox), Some(&limits));
    let mut lowers = Vec::with_capacity(given.len());
    for (at, layer) in given.iter().enumerate() {
        let layer = layer_from_json(layer.clone(), &mut drivers);
        lowers.push(layer.map_err(|error| invalid_config(&format!("rootFilesystem.lowers[{at}].{error}")))?);
    }
    let options = options_from_json(members, &mut drivers).map_err(|invalid| {
        // A policy says of each problem what it is about, options where they stand.
        invalid_config(
            &invalid
                .to_string()
                .replace("invalid permissions policy: ", "permissions."),
        )
    })?;
    Ok(Read {
        options,
        blocks: blocks || !lowers.is_empty(),
        lowers,
        read_only_root: root.get("mode").and_then(serde_json::Value::as_str) == Some("readonly"),
    })
}

/// The same data as JSON.
pub(super) fn json(options: Value) -> Result<serde_json::Value, ActorError> {
    match options {
        Value::Undefined | Value::Null => Ok(serde_json::Value::Object(serde_json::Map::new())),
        other => other
            .deserialize()
            .map_err(|error| invalid_config(&format!("options: {error}"))),
    }
}

/// Whether a mount is of any other kind than memory.
pub(super) fn may_block(mount: &serde_json::Value) -> bool {
    mount.pointer("/plugin/id").and_then(serde_json::Value::as_str) != Some("memory")
}

/// Opens filesystems whose methods are functions of the script, and makes tools of its functions.
pub(crate) struct ScriptDrivers {
    mailbox: Arc<Mailbox>,
    waits: Waits,
}

impl ScriptDrivers {
    /// Of a VM with these limits.
    pub(crate) fn new(mailbox: Arc<Mailbox>, limits: &Limits) -> Self {
        let waits = Waits::of(limits);
        Self { mailbox, waits }
    }

    /// Of a VM with these options, as far as they are good; bad ones are told of by whoever reads all of them.
    pub(crate) fn of_options(mailbox: Arc<Mailbox>, options: Option<&serde_json::Value>) -> Self {
        let limits = options.and_then(|options| options.get("limits"));
        let limits = limits.and_then(|limits| LimitsDraft::default().json_with_units(limits).finish().ok());
        Self::new(mailbox, &limits.unwrap_or_default())
    }
}

impl Drivers for ScriptDrivers {
    fn open(&mut self, id: &str, config: &serde_json::Value) -> Option<Result<Arc<dyn Filesystem>, String>> {
        (id == "script").then(|| {
            ScriptFs::open(&self.mailbox, self.waits, config).map(|filesystem| filesystem as Arc<dyn Filesystem>)
        })
    }

    fn tool(&mut self, schema: serde_json::Value, function: &serde_json::Value) -> Option<Result<Tool, String>> {
        Some(tools::tool(&self.mailbox, schema, function))
    }
}
