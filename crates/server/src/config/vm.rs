//! A VM definition in `agentos.toml`: the options of api.md sections 2.1 and 2.2 that need no code.

use super::invalid::InvalidConfig;
use super::section::Section;
use super::stored::{self, Found};
use crate::definition::{VmDefinition, VmDefinitionBuilder};
use crate::options::VmOptions;
use crate::secrets::{SecretSource, is_name};
use agentos::{Image, ImageSource, LimitsDraft, Mount, Network, Secret, Tools};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

pub(super) const MAX_MS: u64 = (1 << 31) - 1;

/// Reads the section of one definition. Problems of keys and types are the section's; those of values come back.
pub(super) fn definition(mut section: Section, folder: &Path) -> Result<VmDefinition, InvalidConfig> {
    let path = section.path().to_owned();
    let mut builder = VmDefinition::builder().options(options(&mut section, folder));
    builder = times(builder, &mut section);
    if let Some(source) = secret_source(&mut section, folder) {
        builder = builder.secret_source(source);
    }
    drop(section);
    builder
        .build()
        .map_err(|invalid| InvalidConfig::lines(&path, &invalid.to_string()))
}

pub(super) fn times(mut builder: VmDefinitionBuilder, section: &mut Section) -> VmDefinitionBuilder {
    let ms = Duration::from_millis;
    if let Some(timeout) = section.integer("actionTimeoutMs", 1..=MAX_MS) {
        builder = builder.action_timeout(ms(timeout));
    }
    if let Some(mut sleep) = section.section("sleep") {
        if let Some(idle) = sleep.integer("idleTimeoutMs", 0..=MAX_MS) {
            builder = builder.idle_timeout(ms(idle));
        }
        if let Some(budget) = sleep.integer("shutdownBudgetMs", 0..=MAX_MS) {
            builder = builder.shutdown_budget(ms(budget));
        }
    }
    if let Some(mut preview) = section.section("preview") {
        if let Some(seconds) = preview.integer("defaultExpiresInSeconds", 1..=MAX_MS) {
            builder = builder.preview_default_expires(Duration::from_secs(seconds));
        }
        if let Some(seconds) = preview.integer("maxExpiresInSeconds", 1..=MAX_MS) {
            builder = builder.preview_max_expires(Duration::from_secs(seconds));
        }
        if let Some(host) = preview.text("host") {
            builder = builder.preview_host(host);
        }
        if let Some(sandbox) = preview.flag("pathSandbox") {
            builder = builder.preview_path_sandbox(sandbox);
        }
    }
    builder
}

fn options(section: &mut Section, folder: &Path) -> VmOptions {
    let mut options = VmOptions::new();
    if let Some(names) = section.texts("software") {
        let mut bundled = Vec::new();
        for (at, name) in names.iter().enumerate() {
            match stored::find(name) {
                Ok(Found::Bundled(package)) => bundled.push(package),
                Ok(Found::Stored(package)) => options = options.package(package),
                Err(reason) => section.problem(&format!("software[{at}]"), reason),
            }
        }
        options = options.software(bundled);
    }
    options = common(options, section);
    if let Some(env) = section.section("env") {
        options = env
            .strings()
            .into_iter()
            .fold(options, |options, (name, value)| options.env(name, value));
    }
    options = images(options, section, Some(folder));
    options = mounts(options, section, folder);
    options = secrets(options, section, folder);
    network(options, section, Some(folder))
}

/// Options that are the same for every way to give them.
pub(super) fn common(mut options: VmOptions, section: &mut Section) -> VmOptions {
    options = match section.take("persist") {
        None => options,
        Some(Value::String(word)) if word == "all" => options.persist_all(),
        Some(value) => match serde_json::from_value::<Vec<String>>(value) {
            Ok(paths) => options.persist(paths),
            Err(_) => {
                section.problem("persist", "must be \"all\" or an array of paths");
                options
            }
        },
    };
    if let Some(policy) = section.take("permissions") {
        options = options.permissions(policy);
    }
    if let Some(limits) = section.take("limits") {
        match LimitsDraft::default().json_with_units(&limits).finish() {
            Ok(limits) => options = options.limits(limits),
            Err(invalid) => invalid.0.iter().for_each(|problem| {
                // The text begins with the path within the VM.
                let text = problem.to_string();
                let (path, reason) = text.split_once(": ").unwrap_or((&text, "is not accepted"));
                section.problem(path, reason);
            }),
        }
    }
    if let Some(ports) = section.items("loopbackExemptPorts") {
        let port = |port: &Value| {
            port.as_u64()
                .and_then(|port| u16::try_from(port).ok())
                .filter(|port| *port > 0)
        };
        for (at, _) in ports.iter().enumerate().filter(|(_, value)| port(value).is_none()) {
            section.problem(
                &format!("loopbackExemptPorts[{at}]"),
                "must be a port between 1 and 65535",
            );
        }
        options = options.loopback_exempt_ports(ports.iter().filter_map(port).collect::<Vec<_>>());
    }
    if let Some(cwd) = section.text("cwd") {
        options = options.cwd(cwd);
    }
    if let Some(name) = section.text("hostname") {
        options = options.hostname(name);
    }
    if let Some(names) = section.texts("clientSecrets") {
        for (at, _) in names.iter().enumerate().filter(|(_, name)| !is_name(name)) {
            let reason = "must be letters, digits, '_', '-' and '.', at most 128, not beginning with '.'";
            section.problem(&format!("clientSecrets[{at}]"), reason);
        }
        options = options.client_secrets(names);
    }
    options
}

/// Where the values come from that `clientSecrets` names.
fn secret_source(section: &mut Section, folder: &Path) -> Option<SecretSource> {
    let mut given = section.section("secretSource")?;
    match (given.text("directory"), given.text("environmentPrefix")) {
        (Some(directory), None) => Some(SecretSource::directory(folder.join(directory))),
        (None, Some(prefix)) => Some(SecretSource::environment(prefix)),
        _ => {
            given.problem("directory", "exactly one of directory and environmentPrefix is needed");
            None
        }
    }
}

/// The options `image` and `tools`. With a folder, paths are relative to it.
pub(super) fn images(mut options: VmOptions, section: &mut Section, folder: Option<&Path>) -> VmOptions {
    let given = match section.take("image") {
        None => Vec::new(),
        Some(Value::String(one)) => vec![one],
        Some(value) => match serde_json::from_value::<Vec<String>>(value) {
            Ok(several) => several,
            Err(_) => {
                section.problem("image", "must be \"host\", a path, or an array of these");
                Vec::new()
            }
        },
    };
    for (at, text) in given.iter().enumerate() {
        let source = match text.parse::<ImageSource>() {
            Ok(ImageSource::Path(path)) => Ok(ImageSource::path(folder.unwrap_or(Path::new("")).join(path))),
            other => other,
        };
        match source.and_then(|source| Image::open(&source)) {
            Ok(image) => options = options.image(image),
            Err(error) => section.problem(&format!("image[{at}]"), error),
        }
    }
    match section.text("tools").as_deref() {
        None => options,
        Some("bundled") => options.tools(Tools::Bundled),
        Some("image") => options.tools(Tools::Image),
        Some(_) => {
            section.problem("tools", "must be \"bundled\" or \"image\"");
            options
        }
    }
}

fn mounts(mut options: VmOptions, section: &mut Section, folder: &Path) -> VmOptions {
    for mut given in section.sections("mounts") {
        let (guest, host) = (given.text("guest"), given.text("host"));
        let Some(guest) = guest else {
            given.problem("guest", "is missing: the path in the VM");
            continue;
        };
        // A host directory is read-only unless it says otherwise, as on the command line; without one it is memory.
        let (mut mount, read_only) = match host {
            Some(host) => (Mount::host_dir(folder.join(host), guest), true),
            None => (Mount::memory(guest), false),
        };
        if given.flag("readOnly").unwrap_or(read_only) {
            mount = mount.read_only();
        }
        if let Some(bytes) = given.integer("maxBytes", 0..=1 << 40) {
            mount = mount.max_bytes(bytes);
        }
        if let Some(files) = given.integer("maxFiles", 0..=MAX_MS) {
            mount = mount.max_files(files);
        }
        options = options.mount(mount);
    }
    options
}

fn secrets(mut options: VmOptions, section: &mut Section, folder: &Path) -> VmOptions {
    for mut given in section.sections("secrets") {
        let Some(name) = given.text("name") else {
            given.problem("name", "is missing: the variable in the VM");
            continue;
        };
        let value = match (given.text("env"), given.text("file")) {
            (Some(_), Some(_)) => Err("env and file exclude each other".to_owned()),
            (None, Some(file)) => file_value(&folder.join(file)),
            (env, None) => variable_value(env.as_deref().unwrap_or(&name)),
        };
        match value {
            Err(reason) => given.problem("value", reason),
            Ok(value) => {
                let mut secret = Secret::new(name, value).hosts(given.texts("hosts").unwrap_or_default());
                if let Some(header) = given.text("header") {
                    secret = secret.header(header);
                }
                options = options.secret(secret);
            }
        }
    }
    options
}

fn variable_value(name: &str) -> Result<Vec<u8>, String> {
    let valid = !name.is_empty() && !name.contains(['=', '\0']);
    let value = valid.then(|| std::env::var_os(name)).flatten();
    value
        .map(std::ffi::OsString::into_encoded_bytes)
        .ok_or_else(|| format!("the host's environment has no variable {name:?}"))
}

/// One line break at the end of a file does not belong to the value.
fn file_value(path: &Path) -> Result<Vec<u8>, String> {
    let mut value = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    for end in [b'\n', b'\r'] {
        if value.last() == Some(&end) {
            value.pop();
        }
    }
    Ok(value)
}

/// The section `network`. With a folder, trusted roots are files in it; without one they are PEM texts.
pub(super) fn network(mut options: VmOptions, section: &mut Section, folder: Option<&Path>) -> VmOptions {
    let Some(mut given) = section.section("network") else {
        return options;
    };
    let mut network = Network::new();
    if let Some(mut dns) = given.section("dns") {
        network = network.dns_servers(dns.texts("servers").unwrap_or_default());
        if let Some(overrides) = dns.section("override") {
            for (host, addresses) in overrides.rest() {
                match serde_json::from_value::<Vec<String>>(addresses) {
                    Ok(addresses) => network = network.dns_override(host, addresses),
                    Err(_) => dns.problem(&format!("override.{host}"), "must be an array of addresses"),
                }
            }
        }
    }
    if let Some(mut listen) = given.section("listen") {
        if let Some(port) = listen.integer("minPort", 1..=65_535) {
            network = network.min_listen_port(i64::try_from(port).unwrap_or(i64::MAX));
        }
        if let Some(port) = listen.integer("maxPort", 1..=65_535) {
            network = network.max_listen_port(i64::try_from(port).unwrap_or(i64::MAX));
        }
        network = network.allow_privileged(listen.flag("allowPrivileged").unwrap_or(false));
    }
    network = network.metadata_addresses(given.texts("metadataAddresses").unwrap_or_default());
    if let Some(timeout) = given.integer("idleTimeoutMs", 1..=MAX_MS) {
        network = network.idle_timeout(Duration::from_millis(timeout));
    }
    if let Some(timeout) = given.integer("totalTimeoutMs", 1..=MAX_MS) {
        network = network.total_timeout(Duration::from_millis(timeout));
    }
    if let Some(proxy) = given.text("proxy") {
        options = options.proxy(proxy);
    }
    for (at, root) in given.texts("trustRoots").unwrap_or_default().into_iter().enumerate() {
        let pem = match folder {
            Some(folder) => std::fs::read(folder.join(root)),
            None => Ok(root.into_bytes()),
        };
        match pem {
            Ok(pem) => options = options.trust_root(pem),
            Err(error) => given.problem(&format!("trustRoots[{at}]"), error),
        }
    }
    options.network(network)
}
