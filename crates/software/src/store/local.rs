//! Software of files of the host: programs of WebAssembly, and archives.

use super::bounds::Bounds;
use super::disk::digest_of;
use super::error::{Error, Result};
use super::manifest::{Manifest, is_command, mark};
use super::package::{FORMAT, RECIPE, Record};
use super::packed;
use agentos_image::Cache;
use agentos_image::assembly::{Assembly, LayerId};
use agentos_kernel::policy::Tier;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Where commands are.
pub(super) const COMMANDS: &str = "usr/local/bin";
/// How a program of WebAssembly begins; what follows is the version of modules, other than that of components.
const WASM: &[u8] = b"\0asm\x01\0\0\0";

/// Digits of a digest that stand for a version.
const VERSION: usize = 12;

/// A program of WebAssembly, as the command that its file is called.
pub(super) fn wasm(path: &Path, spec: &str, cache: &Cache, bounds: &Bounds) -> Result<Record> {
    let refused = |reason: &str| Error::source(spec, reason);
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+');
    if name.is_empty() || name.starts_with(['.', '-']) || !name.bytes().all(known) {
        return Err(refused(
            "the name of its file without extension cannot be a command: letters, digits, '-', '_', '.' and '+'",
        ));
    }
    let source = regular(path, spec)?;
    let size = std::fs::metadata(path).map_err(Error::host(path))?.len();
    Bounds::check(format!("bytes of {spec}"), size, bounds.program, "bytes", "program")?;
    let mut file = File::open(path).map_err(Error::host(path))?;
    let mut head = [0; WASM.len()];
    if file.read_exact(&mut head).is_err() || head != WASM {
        return Err(refused("is no module of WebAssembly"));
    }
    let mut assembly = Assembly::begin(cache, &bounds.image())?;
    let command = format!("{COMMANDS}/{name}");
    assembly.file(&command, 0o755, head.chain(file.take(bounds.program)))?;
    let layer = assembly.finish()?;
    let record = record(spec, name, &source, layer, vec![name.to_owned()], false);
    unchanged(path, spec, source, record)
}

/// An archive of files.
pub(super) fn tar(path: &Path, spec: &str, cache: &Cache, bounds: &Bounds) -> Result<Record> {
    let source = regular(path, spec)?;
    let mut assembly = Assembly::begin(cache, &bounds.image())?;
    assembly.tar(path)?;
    let manifest = manifest(&assembly, spec)?;
    let commands = made_commands(&mut assembly, spec, &manifest)?;
    let native = assembly.has_native();
    let layer = assembly.finish()?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let endings = [".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.zst", ".tzst"];
    let name = endings.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let mut record = record(spec, name, &source, layer, commands, native);
    (record.agent, record.env) = (manifest.agent, manifest.env);
    unchanged(path, spec, source, record)
}

/// Where commands of an archive are.
const FOLDERS: [&str; 3] = [COMMANDS, "usr/bin", "bin"];

/// Where an archive says more of itself, and most bytes of that.
const MANIFEST: &str = "agentos.json";
const MANIFEST_MOST: u64 = 1 << 20;

/// What an archive says of itself; nothing, if it says nothing.
fn manifest(assembly: &Assembly<'_>, spec: &str) -> Result<Manifest> {
    let Some(text) = assembly.head(MANIFEST, MANIFEST_MOST + 1) else {
        return Ok(Manifest::default());
    };
    Bounds::check(
        format!("bytes of {MANIFEST} of {spec}"),
        text.len() as u64,
        MANIFEST_MOST,
        "bytes",
        "manifest",
    )?;
    let given = serde_json::from_slice(&text);
    let given = given.map_err(|error| Error::source(spec, format!("its {MANIFEST} is no JSON: {error}")))?;
    Manifest::read(spec, &given)
}

/// The commands of an archive: those that its manifest names get links, and all of them their tiers.
fn made_commands(assembly: &mut Assembly<'_>, spec: &str, manifest: &Manifest) -> Result<Vec<String>> {
    let refused = |field: &str, reason: String| Error::source(spec, format!("its manifest: agentos.{field} {reason}"));
    for (command, file) in &manifest.commands {
        if !mark(assembly, file, manifest.tier(command))? {
            let reason = format!("is the file {file:?}, which is not there or no regular file");
            return Err(refused(&format!("commands.{command}"), reason));
        }
        let link = format!("{COMMANDS}/{command}");
        if *file != link {
            if assembly.names(COMMANDS).contains(command) {
                let reason = format!("is the file {file:?}, but there is another of this name in /{COMMANDS}");
                return Err(refused(&format!("commands.{command}"), reason));
            }
            assembly.symlink(&link, &format!("../../../{file}"))?;
        }
    }
    let mut commands = Vec::new();
    for folder in FOLDERS {
        for command in assembly.names(folder) {
            let tier = manifest.tier(&command);
            let is_marked = folder == COMMANDS && manifest.commands.contains_key(&command);
            // A restriction that cannot be put on a file would be none.
            if tier != Tier::Full && !is_marked && !mark(assembly, &format!("{folder}/{command}"), tier)? {
                let reason =
                    format!("restricts /{folder}/{command}, which is no regular file: name the file in commands");
                return Err(refused("permissions", reason));
            }
            commands.push(command);
        }
    }
    commands.sort();
    commands.dedup();
    manifest.check(spec, &commands)?;
    Ok(commands)
}

/// A package of commands in one file, unpacked below a directory of its own.
pub(super) fn aospkg(path: &Path, spec: &str, cache: &Cache, bounds: &Bounds) -> Result<Record> {
    let source = regular(path, spec)?;
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if !is_command(name) {
        return Err(Error::source(spec, "the name of its file cannot be that of a package"));
    }
    let mut assembly = Assembly::begin(cache, &bounds.image())?;
    let home = format!("usr/local/lib/agentos/{name}");
    let file = File::open(path).map_err(Error::host(path))?;
    let packed = format!("{home}/package.aospkg");
    assembly.file(&packed, 0o644, file.take(bounds.download))?;
    let found = packed::unpack(&mut assembly, spec, &packed, &home)?;
    assembly.hides(&home)?;
    let mut commands = Vec::new();
    for (command, file) in found.commands {
        let below = file.strip_prefix("usr/local/").unwrap_or(&file);
        assembly.symlink(&format!("{COMMANDS}/{command}"), &format!("../{below}"))?;
        commands.push(command);
    }
    commands.sort();
    let native = assembly.has_native();
    let layer = assembly.finish()?;
    let mut record = record(spec, name, &source, layer, commands, native);
    (record.agent, record.env) = (found.agent, found.env);
    unchanged(path, spec, source, record)
}

/// The digest of a file.
fn regular(path: &Path, spec: &str) -> Result<String> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => digest_of(path),
        Ok(_) => Err(Error::source(spec, "is no regular file")),
        Err(error) => Err(Error::source(spec, error.to_string())),
    }
}

/// Fails if the file changed while it was read.
fn unchanged(path: &Path, spec: &str, source: String, record: Record) -> Result<Record> {
    match digest_of(path)? {
        now if now == source => Ok(record),
        now => Err(Error::Integrity {
            what: format!("{spec}, which changed while it was read,"),
            expected: source,
            found: now,
        }),
    }
}

fn record(spec: &str, name: &str, source: &str, layer: LayerId, commands: Vec<String>, native: bool) -> Record {
    Record {
        format: FORMAT,
        recipe: RECIPE,
        spec: spec.to_owned(),
        name: name.to_owned(),
        version: source.get(..VERSION).unwrap_or_default().to_owned(),
        layers: vec![layer.to_string()],
        runtime: Vec::new(),
        native,
        commands,
        agent: None,
        env: BTreeMap::new(),
        scripts: Vec::new(),
        linked: 0,
        source: Some(source.to_owned()),
    }
}
