//! Packages of npm: resolved, locked, downloaded, checked, unpacked.
//!
//! ```text
//!   settings   which registry, which credentials
//!   registry   asking it                              names       ... and where it is, once
//!   documents  what it will be asked for, ahead of time
//!   document   what it says, and which version is taken
//!   tree       where packages lie                     resolve     which there are
//!   lock       what was resolved, to be made again    integrity   digests of archives
//!   fetch      archives, by their digests
//! ```
//!
//! Install scripts are not run unless their package was named, and then in a VM (`super::scripts`). Everything comes from the registry and is checked against the SHA-512 that it, or the lock
//! file, names; what has none is refused.

mod document;
mod documents;
mod fetch;
mod integrity;
mod lock;
mod names;
mod registry;
mod resolve;
mod settings;
#[cfg(test)]
mod tests;
mod tree;

pub(super) use document::Platform;
pub(super) use settings::Settings;

use super::bounds::Bounds;
use super::disk::Disk;
use super::error::{Error, Result};
use super::local::COMMANDS;
use super::manifest::{Manifest, mark};
use super::package::{Agent, Package};
use super::packed;
use super::progress::{Progress, Step};
use super::scripts::{self, Allowed, Placed, Script, ScriptJob};
use agentos_image::assembly::{Assembly, LayerId};
use agentos_image::{Cache, Image};
use agentos_kernel::policy::Tier;
use document::Wanted;
use documents::Documents;
use lock::{Lock, LockedTree};
use registry::Registry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// Where packages are, as npm installs them for everybody.
const MODULES: &str = "usr/local/lib/node_modules";
/// Bytes of a `package.json` that are read.
const PACKAGE_MOST: u64 = 1 << 20;
/// Bytes of a command in which an interpreter would stand.
const SHEBANG: u64 = 256;

/// A package that is wanted, and how it is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) range: String,
    pub(super) kind: Kind,
}

/// How a package is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// With everything that it needs and its commands, and links to further files of the tree as commands.
    Tree {
        links: &'static [(&'static str, &'static str)],
    },
    /// One file of it as a command, and nothing else.
    Program {
        member: &'static str,
        command: &'static str,
    },
}

/// A layer that was made of a part.
#[derive(Debug)]
pub(super) struct Installed {
    pub(super) layer: LayerId,
    pub(super) version: String,
    pub(super) commands: Vec<String>,
    /// Whether a command is a script for Node.js.
    pub(super) for_node: bool,
    /// Whether there are programs of Linux in it.
    pub(super) native: bool,
    /// Variables for processes, and an agent, of its manifest.
    pub(super) env: BTreeMap<String, String>,
    pub(super) agent: Option<Agent>,
    /// Packages whose install scripts were run.
    pub(super) scripts: BTreeSet<String>,
}

/// What was put together of a part.
#[derive(Debug, Default)]
struct Made {
    scripts: Vec<Script>,
    version: String,
    commands: Vec<String>,
    for_node: bool,
    env: BTreeMap<String, String>,
    agent: Option<Agent>,
}

/// What is needed to install packages.
pub(super) struct Npm<'a> {
    pub(super) disk: &'a Disk,
    pub(super) cache: &'a Cache,
    pub(super) bounds: &'a Bounds,
    pub(super) settings: &'a Settings,
    pub(super) platform: Platform,
    pub(super) progress: &'a dyn Progress,
    /// Install scripts that may be run.
    pub(super) allowed: Option<&'a Allowed>,
    /// Adds Node.js to the store.
    pub(super) node: &'a (dyn Fn() -> Result<Option<Package>> + Sync),
}

impl<'a> Npm<'a> {
    /// Makes a layer of each part. The lock file says what they were resolved to; where there is one, so they are again.
    pub(super) fn install(&self, parts: &[Part], lock_path: &Path) -> Result<Vec<Installed>> {
        let registry = Registry::new(self.settings.clone(), *self.bounds);
        let wanted: Vec<String> = parts
            .iter()
            .map(|part| format!("{}@{}", part.name, part.range))
            .collect();
        let text = Disk::read(lock_path)?.unwrap_or_default();
        let mut lock = match Lock::parse(&text, &self.platform.name(), &wanted) {
            Some(lock) => lock,
            None => self.resolve(parts, wanted, &registry)?,
        };
        self.check_scripts(&lock)?;
        self.fetch(&lock, &registry)?;
        let mut installed = Vec::new();
        for (part, tree) in parts.iter().zip(&mut lock.trees) {
            let (made, scripts) = self.unpack(part, tree)?;
            tree.scripts = scripts;
            installed.push(made);
        }
        if let Some(allowed) = self.allowed {
            let ran: BTreeSet<&String> = installed.iter().flat_map(|part: &Installed| &part.scripts).collect();
            if let Some(name) = allowed.names.iter().find(|name| !ran.contains(name)) {
                let what = wanted_first(&lock);
                return Err(Error::source(
                    what,
                    format!("{name} has no install script that could be allowed"),
                ));
            }
        }
        let text = serde_json::to_vec_pretty(&lock).map_err(|error| Error::source("lock file", error.to_string()))?;
        self.disk.write(lock_path, &text)?;
        Ok(installed)
    }

    fn resolve(&self, parts: &[Part], wanted: Vec<String>, registry: &Registry) -> Result<Lock> {
        let ask = |name: &str| registry.document(name);
        let trees = Documents::with(&ask, self.bounds, |documents| {
            let mut trees = Vec::new();
            let mut before = 0;
            for part in parts {
                documents.expect(&part.name);
            }
            for (part, words) in parts.iter().zip(wanted) {
                let wanted = Wanted {
                    package: part.name.clone(),
                    range: part.range.clone(),
                };
                let tree = match part.kind {
                    Kind::Tree { .. } => {
                        resolve::resolve(&wanted, documents, self.platform, self.bounds, self.progress, before)?
                    }
                    // Nothing else of the package is used, and so is nothing that it needs.
                    Kind::Program { .. } => resolve::alone(&wanted, documents, self.platform)?,
                };
                before += tree.len() as u64;
                trees.push(LockedTree::new(words, &tree)?);
            }
            Ok::<_, Error>(trees)
        })?;
        Ok(Lock::new(self.platform.name(), trees))
    }

    /// Refuses names that nothing has, and to make without its scripts what was made with them.
    fn check_scripts(&self, lock: &Lock) -> Result<()> {
        let allowed = self.allowed.map(|allowed| &allowed.names);
        let what = wanted_first(lock);
        if let Some(names) = allowed {
            let packages = lock.trees.iter().flat_map(|tree| &tree.packages);
            scripts::check(what, names, &packages.map(|package| package.name.as_str()).collect())?;
        }
        let ran = lock.trees.iter().flat_map(|tree| &tree.scripts);
        let missing = ran.filter(|script| allowed.is_none_or(|names| !names.contains(&script.name)));
        let missing: BTreeSet<&str> = missing.map(|script| script.name.as_str()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let names = scripts::listed(missing);
        let reason = format!(
            "was made with install scripts of {names}, which its lock file names: add it with --allow-scripts {names}, or with \
             --update and without them"
        );
        Err(Error::source(what, reason))
    }

    fn unpack(&self, part: &Part, tree: &LockedTree) -> Result<(Installed, Vec<Script>)> {
        let mut assembly = Assembly::begin(self.cache, &self.bounds.image())?;
        let mut made = match &part.kind {
            Kind::Program { member, command } => self.program(&mut assembly, tree, member, command)?,
            Kind::Tree { links } => self.tree(&mut assembly, tree, links)?,
        };
        made.commands.sort();
        made.commands.dedup();
        let native = assembly.has_native();
        let installed = Installed {
            layer: assembly.finish()?,
            version: made.version,
            commands: made.commands,
            for_node: made.for_node,
            native,
            env: made.env,
            agent: made.agent,
            scripts: made.scripts.iter().map(|script| script.name.clone()).collect(),
        };
        Ok((installed, made.scripts))
    }

    fn program(&self, assembly: &mut Assembly<'_>, tree: &LockedTree, member: &str, command: &str) -> Result<Made> {
        let root = tree.packages.first();
        let root = root.ok_or_else(|| Error::source(&tree.wanted, "its lock file names no package"))?;
        let archive = self.disk.download_path(&root.integrity.hex());
        let name = &root.name;
        self.progress.report(&Step::Unpacking {
            name,
            done: 0,
            total: 1,
        });
        if !assembly.member(&archive, member, &format!("{COMMANDS}/{command}"), 0o755)? {
            return Err(Error::source(&tree.wanted, format!("has no file {member}")));
        }
        Ok(Made {
            version: root.version.clone(),
            commands: vec![command.to_owned()],
            ..Made::default()
        })
    }

    /// The package with everything that it needs below it, as `npm install --global` lays it out.
    fn tree(&self, assembly: &mut Assembly<'a>, tree: &LockedTree, links: &[(&str, &str)]) -> Result<Made> {
        let home = format!("{MODULES}/{}", tree.packages.first().map_or("", |root| &root.name));
        let placed = self.place(assembly, tree, &home)?;
        let mut made = Made {
            scripts: self.run_scripts(assembly, tree, &placed, &home)?,
            ..Made::default()
        };
        for package in &placed {
            let found = packed::add(assembly, &tree.wanted, &package.place)?;
            made.env.extend(found.env);
            // The package's own is the first of all.
            made.agent = made.agent.take().or(found.agent);
            for (command, file) in found.commands {
                made.for_node |= assembly.head(&file, SHEBANG).is_some_and(|head| is_for_node(&head));
                made.link(assembly, &command, &file)?;
            }
        }
        let root = placed.into_iter().next().map(|root| root.module);
        let root = root.ok_or_else(|| Error::source(&tree.wanted, "its lock file names no package"))?;
        // Of two versions of a package in one VM files are never mixed.
        assembly.hides(&home)?;
        let given = root
            .commands
            .iter()
            .map(|(name, target)| (name.as_str(), target.as_str()));
        let manifest = manifest(assembly, tree, &home)?;
        let more = manifest
            .commands
            .iter()
            .map(|(name, target)| (name.as_str(), target.as_str()));
        for (command, target) in given.chain(links.iter().copied()).chain(more) {
            let file = format!("{home}/{target}");
            let Some(head) = assembly.head(&file, SHEBANG) else {
                let text = format!(
                    "{}: the command {command} is the file {target}, which is not there",
                    tree.wanted
                );
                self.progress.report(&Step::Warning(&text));
                continue;
            };
            made.for_node |= is_for_node(&head);
            if manifest.commands.contains_key(command) || manifest.tier(command) != Tier::Full {
                mark(assembly, &file, manifest.tier(command))?;
            }
            made.link(assembly, command, &file)?;
        }
        manifest.check(&tree.wanted, &made.commands)?;
        made.env.extend(manifest.env);
        made.version = root.version;
        made.agent = manifest.agent.or(made.agent);
        Ok(made)
    }
}

impl<'a> Npm<'a> {
    /// Unpacks all packages of a tree.
    fn place(&self, assembly: &mut Assembly<'_>, tree: &LockedTree, home: &str) -> Result<Vec<Placed>> {
        let total = tree.packages.len() as u64;
        let mut placed = Vec::with_capacity(tree.packages.len());
        for (done, package) in tree.packages.iter().enumerate() {
            let (name, done) = (&package.name, done as u64);
            self.progress.report(&Step::Unpacking { name, done, total });
            let place = match package.path.as_str() {
                "" => home.to_owned(),
                path => format!("{home}/{path}"),
            };
            let module = assembly.npm(&self.disk.download_path(&package.integrity.hex()), &place)?;
            placed.push(Placed {
                place,
                path: package.path.clone(),
                module,
            });
        }
        Ok(placed)
    }

    /// Runs the install scripts that were allowed, and tells of the others. What is assembled afterwards is what they made of it.
    fn run_scripts(
        &self,
        assembly: &mut Assembly<'a>,
        tree: &LockedTree,
        placed: &[Placed],
        home: &str,
    ) -> Result<Vec<Script>> {
        let found = scripts::found(assembly, placed);
        let is_allowed = |script: &Script| self.allowed.is_some_and(|allowed| allowed.names.contains(&script.name));
        let (allowed, refused): (Vec<Script>, Vec<Script>) = found.into_iter().partition(is_allowed);
        scripts::tell(&refused.iter().collect::<Vec<_>>(), &tree.wanted, self.progress);
        let Some(by) = self.allowed.filter(|_| !allowed.is_empty()) else {
            return Ok(Vec::new());
        };
        scripts::link(assembly, placed)?;
        assembly.own(home, scripts::USER, scripts::USER)?;
        let fresh = Assembly::begin(self.cache, &self.bounds.image())?;
        let workshop = std::mem::replace(assembly, fresh).finish()?;
        let archive = {
            let job = ScriptJob {
                image: Image::assembled(home, &[workshop], self.cache)?,
                home: format!("/{home}"),
                scripts: &allowed,
                time: Duration::from_millis(self.bounds.script_ms),
                node: self.node,
                progress: self.progress,
            };
            scripts::run(by, &job, self.disk, self.bounds)
        };
        // It was for the scripts alone.
        scripts::discard(workshop, self.cache)?;
        let above = home.rsplit_once('/').map_or("", |(above, _)| above);
        assembly.made(archive?.path(), above)?;
        Ok(allowed)
    }
}

impl Made {
    /// Links to a file as a command; of two of one name the first counts.
    fn link(&mut self, assembly: &mut Assembly<'_>, command: &str, file: &str) -> Result<()> {
        if self.commands.iter().any(|known| known == command) {
            return Ok(());
        }
        let below = file.strip_prefix("usr/local/").unwrap_or(file);
        assembly.symlink(&format!("{COMMANDS}/{command}"), &format!("../{below}"))?;
        self.commands.push(command.to_owned());
        Ok(())
    }
}

/// Whether the first line of a file asks for Node.js.
fn is_for_node(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.starts_with(b"#!") && line.windows(4).any(|word| word == b"node")
}

/// What was asked for first, for messages.
fn wanted_first(lock: &Lock) -> &str {
    lock.trees.first().map_or("npm", |tree| &tree.wanted)
}

/// What the package says of itself to agentOS; nothing, if it says nothing.
fn manifest(assembly: &Assembly<'_>, tree: &LockedTree, home: &str) -> Result<Manifest> {
    let file = assembly
        .head(&format!("{home}/package.json"), PACKAGE_MOST)
        .unwrap_or_default();
    let package: serde_json::Value = serde_json::from_slice(&file).unwrap_or_default();
    package
        .get("agentos")
        .map_or_else(|| Ok(Manifest::default()), |given| Manifest::read(&tree.wanted, given))
}
