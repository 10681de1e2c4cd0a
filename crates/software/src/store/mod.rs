//! The store: software of this user, as read-only layers that any number of VMs share.
//!
//! ```text
//!   Spec       what is asked for: npm:NAME, wasm:FILE, tar:FILE, aospkg:FILE, deb:NAME, pi, ...
//!   Store      a directory
//!     packages   a record for each spec that was added, and the lock file of what it was resolved to
//!     downloads  archives, by their digests
//!     content    layers, by the digests of everything in them (see `agentos_image::assembly`)
//!   Package    a record that was read; its layers are an image for VMs
//! ```
//!
//! Invariants:
//!
//! * A package is there whole or not at all. Layers are made in drafts and renamed, then the record is; a process that dies in
//!   between leaves drafts, which the next one removes, and layers that nobody refers to.
//! * What was added is found again without the network, and is the same bytes: layers are never changed, and
//!   [`Store::verify`] reads each of them.
//! * Nothing of a package is run on the host, install scripts that were allowed by name included ([`ScriptRunner`]), and nothing of it is unpacked under a name that it chose.
//! * One process changes a store at a time; others wait. Readers never do.
//!
//! ```no_run
//! use agentos_software::store::{Spec, Store};
//! let store = Store::user()?;
//! let package = store.add(&"wasm:tools/hello.wasm".parse::<Spec>()?, &())?;
//! assert_eq!(package.commands(), ["hello"]);
//! # Ok::<(), agentos_software::store::Error>(())
//! ```

mod bounds;
mod deb;
mod disk;
mod error;
mod linked;
mod local;
mod manifest;
mod named;
mod npm;
mod package;
mod packed;
mod progress;
mod runtime;
mod scripts;
mod shelf;
mod spec;
#[cfg(test)]
mod tests;

pub use bounds::Bounds;
pub use error::{Error, Result};
pub use package::{Agent, Package};
pub use progress::{Progress, Step};
pub use scripts::{Script, ScriptJob, ScriptRunner, USER as SCRIPT_USER};
pub use shelf::Verified;
pub use spec::{Named, Spec};

use agentos_image::Cache;
use disk::Disk;
use npm::{Installed, Kind, Npm, Part, Platform, Settings};
use package::{FORMAT, RECIPE, Record};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory of software. Clones are the same store.
#[derive(Clone)]
pub struct Store {
    disk: Arc<Disk>,
    content: Arc<Cache>,
    bounds: Bounds,
    settings: Arc<Settings>,
    allowed: Option<scripts::Allowed>,
    linker: Option<Arc<dyn ScriptRunner>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.disk.path)
            .field("bounds", &self.bounds)
            .field("allowed", &self.allowed)
            .field("links", &self.linker.is_some())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens a store, which is made if there is none.
    ///
    /// # Errors
    /// Where it cannot be made, belongs to somebody else, or others may write to it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let disk = Disk::open(path.into())?;
        let content = Cache::open(disk.path.join("content"))?;
        Ok(Self {
            disk: Arc::new(disk),
            content: Arc::new(content),
            bounds: Bounds::default(),
            settings: Arc::new(Settings::user()),
            allowed: None,
            linker: None,
        })
    }

    /// The store of this user: the directory `AGENTOS_STORE`, or `agentos/store` in the user's data directory.
    ///
    /// # Errors
    /// Those of [`open`](Self::open); where the environment names no home.
    pub fn user() -> Result<Self> {
        let absolute = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        if let Some(path) = absolute("AGENTOS_STORE") {
            return Self::open(path);
        }
        let data = absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
        let none = "no directory to keep software in: set AGENTOS_STORE, XDG_DATA_HOME or HOME";
        Self::open(data.ok_or_else(|| Error::source("store", none))?.join("agentos/store"))
    }

    /// Accepts more or less than what is usual.
    #[must_use]
    pub fn with_bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// Lets install scripts of packages of npm run that are named, by a runner that is not the host. They are recorded in the
    /// lock file; software that was added without them is made anew.
    #[must_use]
    pub fn with_scripts<N: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = N>,
        runner: Arc<dyn ScriptRunner>,
    ) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        self.allowed = Some(scripts::Allowed { names, runner });
        self
    }

    /// Links agents that consist of many modules when they are added (docs/software.md), by a runner that is not the host: they start in a third of the
    /// time. It needs a tool of npm. Without, and where it fails, they are as npm has them.
    #[must_use]
    pub fn with_linker(mut self, runner: Arc<dyn ScriptRunner>) -> Self {
        self.linker = Some(runner);
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.disk.path
    }

    /// Adds software, with everything that it needs; what was added before is only looked up. It takes as long as downloads do.
    ///
    /// # Errors
    /// [`Error`], which names what cannot be had. The store is then as before.
    pub fn add(&self, spec: &Spec, progress: &dyn Progress) -> Result<Package> {
        let text = canonical(spec);
        if let Some(package) = self.present(spec, &text)? {
            return Ok(package);
        }
        let _locked = self.disk.lock(progress)?;
        self.add_locked(spec, &text, progress)
    }

    /// Resolves software anew, as if it had not been added before. What was there is replaced once that has worked.
    ///
    /// # Errors
    /// Those of [`add`](Self::add).
    pub fn update(&self, spec: &Spec, progress: &dyn Progress) -> Result<Package> {
        let text = canonical(spec);
        let _locked = self.disk.lock(progress)?;
        let lock = self.disk.lock_path(&text);
        let before = Disk::read(&lock)?;
        if before.is_some() {
            std::fs::remove_file(&lock).map_err(Error::host(&lock))?;
        }
        let made = self.made(spec, &text, progress);
        if let (Err(_), Some(before)) = (&made, before) {
            self.disk.write(&lock, &before)?;
        }
        made
    }

    /// Whoever calls has the lock.
    fn add_locked(&self, spec: &Spec, text: &str, progress: &dyn Progress) -> Result<Package> {
        // Somebody else may have added it meanwhile.
        if let Some(package) = self.present(spec, text)? {
            return Ok(package);
        }
        let before = self.whole(spec, text)?;
        match (self.made(spec, text, progress), before) {
            // What was made otherwise is still what it was.
            (Err(error), Some(record)) => {
                progress.report(&Step::Warning(&format!("{text} stays as it was added before: {error}")));
                Ok(self.package(record))
            }
            (made, _) => made,
        }
    }

    fn made(&self, spec: &Spec, text: &str, progress: &dyn Progress) -> Result<Package> {
        let stored = self.disk.records()?.len() as u64 + 1;
        Bounds::check(
            "packages of the store",
            stored,
            self.bounds.stored,
            "packages",
            "stored",
        )?;
        let record = self.make(spec, text, progress)?;
        let written = serde_json::to_vec_pretty(&record).map_err(|error| Error::source(text, error.to_string()))?;
        self.disk.write(&self.disk.record_path(text), &written)?;
        Ok(self.package(record))
    }

    fn make(&self, spec: &Spec, text: &str, progress: &dyn Progress) -> Result<Record> {
        let platform = Platform::here();
        match spec {
            Spec::Wasm(path) => local::wasm(path, text, &self.content, &self.bounds),
            Spec::Tar(path) => local::tar(path, text, &self.content, &self.bounds),
            Spec::Aospkg(path) => local::aospkg(path, text, &self.content, &self.bounds),
            Spec::Npm { name, range } if name == "node" => {
                self.npm("node", text, &named::node(range, platform), None, progress)
            }
            Spec::Npm { name, range } => {
                let part = Part {
                    name: name.clone(),
                    range: range.clone(),
                    kind: Kind::Tree { links: &[] },
                };
                self.npm(name, text, &[part], None, progress)
            }
            Spec::Named(named) => match named::recipe(*named, platform) {
                Some(recipe) => {
                    let mut record = self.npm(named.name(), text, &recipe.parts, recipe.agent, progress)?;
                    self.link(&named::commands(*named), &mut record, progress);
                    Ok(record)
                }
                None => Ok(bundled()),
            },
            Spec::Deb(name) => deb::package(name, text, &self.disk, &self.content, &self.bounds, progress),
        }
    }

    /// A package of parts of npm, with what its programs run with.
    fn npm(
        &self,
        name: &str,
        text: &str,
        parts: &[Part],
        agent: Option<Agent>,
        progress: &dyn Progress,
    ) -> Result<Record> {
        // Of Node.js itself no script is run: it is what scripts run with.
        let node = || self.without_scripts().node(progress).map(Some);
        let npm = Npm {
            disk: &self.disk,
            cache: &self.content,
            bounds: &self.bounds,
            settings: &self.settings,
            platform: Platform::here(),
            progress,
            allowed: self.allowed.as_ref(),
            node: &node,
        };
        let installed = npm.install(parts, &self.disk.lock_path(text))?;
        let mut record = Record {
            spec: text.to_owned(),
            name: name.to_owned(),
            agent,
            ..bundled()
        };
        record.version = installed
            .first()
            .map_or_else(String::new, |first| first.version.clone());
        // The first lies on top.
        record.layers = installed.iter().rev().map(|part| part.layer.to_string()).collect();
        let commands: BTreeSet<String> = installed
            .iter()
            .flat_map(|part| part.commands.iter().cloned())
            .collect();
        record.commands = commands.into_iter().collect();
        for part in installed.iter().rev() {
            record.env.extend(part.env.clone());
        }
        record.agent = record
            .agent
            .or_else(|| installed.iter().find_map(|part| part.agent.clone()));
        let ran: BTreeSet<String> = installed.iter().flat_map(|part| part.scripts.iter().cloned()).collect();
        record.scripts = ran.into_iter().collect();
        self.runtime(&mut record, &installed, progress)?;
        Ok(record)
    }

    fn without_scripts(&self) -> Self {
        Self {
            allowed: None,
            linker: None,
            ..self.clone()
        }
    }

    /// Node.js. Whoever calls has the lock.
    fn node(&self, progress: &dyn Progress) -> Result<Package> {
        let node = Spec::Named(Named::Node);
        self.add_locked(&node, &canonical(&node), progress)
    }

    /// Adds what programs run with: Node.js for its scripts, the C library of the host for programs of Linux.
    fn runtime(&self, record: &mut Record, installed: &[Installed], progress: &dyn Progress) -> Result<()> {
        if installed.iter().any(|part| part.for_node) {
            let node = self.without_scripts().node(progress)?;
            let node = node.record();
            record.runtime.extend(node.layers.iter().chain(&node.runtime).cloned());
        } else if installed.iter().any(|part| part.native) {
            match runtime::layer(Path::new("/"), &self.content, &self.bounds)? {
                Ok(layer) => record.runtime.push(layer.to_string()),
                Err(missing) => progress.report(&Step::Warning(&missing)),
            }
        }
        record.native = !record.runtime.is_empty() || installed.iter().any(|part| part.native);
        Ok(())
    }

    fn package(&self, record: Record) -> Package {
        Package::new(record, Arc::clone(&self.content))
    }
}

/// The words of a spec that stand for it in the store: files by their whole path.
fn canonical(spec: &Spec) -> String {
    let whole = |path: &Path| {
        let real = path.canonicalize().or_else(|_| std::path::absolute(path));
        real.unwrap_or_else(|_| path.to_owned())
    };
    match spec {
        Spec::Wasm(path) => Spec::Wasm(whole(path)).to_string(),
        Spec::Tar(path) => Spec::Tar(whole(path)).to_string(),
        Spec::Aospkg(path) => Spec::Aospkg(whole(path)).to_string(),
        spec => spec.to_string(),
    }
}

/// The bundled commands, which are no package of the store.
fn bundled() -> Record {
    let name = Named::Common.name();
    Record {
        format: FORMAT,
        recipe: RECIPE,
        spec: name.to_owned(),
        name: name.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        layers: Vec::new(),
        runtime: Vec::new(),
        native: false,
        commands: Vec::new(),
        agent: None,
        env: BTreeMap::new(),
        scripts: Vec::new(),
        linked: 0,
        source: None,
    }
}
