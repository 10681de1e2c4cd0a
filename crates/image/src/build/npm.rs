//! Packages of npm, laid out as `npm install --global` does.

use super::Found;
use crate::bounds::{Bounds, within};
use crate::compress::decompress;
use crate::error::{Error, Result};
use crate::layer::Unpacker;
use crate::tar::{Kind, Member, Reader};
use crate::tree::{Attrs, Body, Node, parts};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Where packages and their commands are.
const MODULES: &str = "usr/local/lib/node_modules";
const COMMANDS: &str = "usr/local/bin";

/// The parts of `package.json` that matter here.
#[derive(Debug, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) version: String,
    bin: Option<Bin>,
    #[serde(default)]
    dependencies: BTreeMap<String, serde_json::Value>,
    #[serde(default, rename = "bundleDependencies", alias = "bundledDependencies")]
    bundled: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Bin {
    One(String),
    Many(BTreeMap<String, String>),
}

/// Adds a package.
pub(super) fn add(path: &Path, unpacker: &mut Unpacker<'_>, bounds: &Bounds, found: &mut Found) -> Result<()> {
    let manifest = manifest(path, bounds)?;
    let home = format!("{MODULES}/{}", manifest.name);
    let commands = unpack(path, &manifest, &home, unpacker, bounds)?;
    for (name, target) in &commands {
        link(unpacker, &manifest.name, &home, name, target)?;
    }
    found.packages.push(format!("{} {}", manifest.name, manifest.version));
    if manifest.bundled.is_none() {
        let needed = manifest.dependencies.keys();
        found
            .needed
            .extend(needed.map(|name| (manifest.name.clone(), name.clone())));
    }
    found.modules.push(manifest.name);
    Ok(())
}

/// Puts the files of a package into a directory, and returns its commands with the files that they are.
pub(crate) fn unpack(
    path: &Path,
    manifest: &Manifest,
    home: &str,
    unpacker: &mut Unpacker<'_>,
    bounds: &Bounds,
) -> Result<Vec<(String, Vec<u8>)>> {
    let commands = manifest.commands(bounds)?;
    let file = File::open(path).map_err(Error::host(path))?;
    let (_, unpacked) = decompress(&file, bounds)?;
    let mut archive = Reader::new(unpacked, *bounds);
    while let Some(mut member) = archive.next()? {
        // As npm does: nothing but files and directories is taken, and owners and modes are one's own.
        if !matches!(member.kind, Kind::File | Kind::Directory) {
            continue;
        }
        let Some(inner) = inner(&member, bounds)? else { continue };
        let is_command = commands.iter().any(|(_, target)| *target == inner);
        let runs = is_command || member.kind == Kind::Directory || member.mode & 0o111 != 0;
        member.mode = if runs { 0o755 } else { 0o644 };
        (member.uid, member.gid, member.xattrs) = (0, 0, Vec::new());
        member.path = [home.as_bytes(), b"/", &inner].concat();
        unpacker.add(&member, &mut archive)?;
    }
    archive.finish()?;
    Ok(commands)
}

/// The name of a member below the one directory that all are in, whatever it is called.
fn inner(member: &Member, bounds: &Bounds) -> Result<Option<Vec<u8>>> {
    let path = parts(&member.path, bounds)?;
    Ok(path
        .get(1..)
        .filter(|rest| !rest.is_empty())
        .map(|rest| rest.join(&b'/')))
}

pub(crate) fn manifest(path: &Path, bounds: &Bounds) -> Result<Manifest> {
    let wrong = |reason: String| Error::format("package of npm", reason);
    let file = File::open(path).map_err(Error::host(path))?;
    let (_, unpacked) = decompress(&file, bounds)?;
    let mut archive = Reader::new(unpacked, *bounds);
    while let Some(member) = archive.next()? {
        if member.kind != Kind::File || inner(&member, bounds)?.as_deref() != Some(b"package.json") {
            continue;
        }
        within("package.json", member.size, bounds.document, "bytes")?;
        let mut text = Vec::new();
        Content(&mut archive).read_to_end(&mut text)?;
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|error| wrong(format!("package.json: {error}")))?;
        let scoped = manifest.name.strip_prefix('@').and_then(|name| name.split_once('/'));
        let valid = match scoped {
            Some((scope, name)) => is_name(scope) && is_name(name),
            None => is_name(&manifest.name),
        };
        return match valid {
            true => Ok(manifest),
            false => Err(wrong(format!(
                "package.json: {:?} is no name of a package",
                manifest.name
            ))),
        };
    }
    Err(wrong("has no package.json".to_owned()))
}

struct Content<'a, R>(&'a mut Reader<R>);

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buf).map_err(std::io::Error::other)
    }
}

/// Whether this can be the name of a package or a command: one component, and nothing odd.
fn is_name(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    !name.is_empty() && name.len() <= 214 && !name.starts_with('.') && name.bytes().all(known)
}

impl Manifest {
    /// Commands, with the files that they are.
    fn commands(&self, bounds: &Bounds) -> Result<Vec<(String, Vec<u8>)>> {
        let own = self.name.rsplit('/').next().unwrap_or(&self.name);
        let given: Vec<(&str, &str)> = match &self.bin {
            None => Vec::new(),
            Some(Bin::One(target)) => vec![(own, target)],
            Some(Bin::Many(many)) => many
                .iter()
                .map(|(name, target)| (name.as_str(), target.as_str()))
                .collect(),
        };
        let mut commands = Vec::new();
        for (name, target) in given {
            // Some write a path before the name; npm takes its end.
            let name = name.rsplit('/').next().unwrap_or(name);
            if !is_name(name) {
                let reason = format!("package.json: {name:?} is no name of a command");
                return Err(Error::format("package of npm", reason));
            }
            let target = parts(target.trim_start_matches('/').as_bytes(), bounds)?;
            commands.push((name.to_owned(), target.join(&b'/')));
        }
        Ok(commands)
    }
}

pub(crate) fn link(unpacker: &mut Unpacker<'_>, package: &str, home: &str, name: &str, target: &[u8]) -> Result<()> {
    let refused = |reason: String| Error::member(target, reason);
    let file: Vec<&[u8]> = home
        .as_bytes()
        .split(|byte| *byte == b'/')
        .chain(target.split(|byte| *byte == b'/'))
        .collect();
    if unpacker.draft.find(&file).is_none() {
        return Err(refused(format!(
            "is what the command {name} is, and not in the package"
        )));
    }
    let dirs: Vec<&[u8]> = COMMANDS.as_bytes().split(|byte| *byte == b'/').collect();
    let dir = unpacker.draft.dirs(&dirs).map_err(refused)?;
    let text = [b"../lib/node_modules/", package.as_bytes(), b"/", target].concat();
    let node = Node {
        attrs: Attrs {
            mode: 0o777,
            ..Attrs::default()
        },
        body: Body::Symlink(text.into()),
    };
    unpacker
        .draft
        .put(dir, name.as_bytes(), node)
        .map_err(refused)
        .map(drop)
}
