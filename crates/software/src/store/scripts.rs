//! Install scripts of packages of npm: which there are, and running those that were allowed by name.
//!
//! A script of a package is somebody's program. None is run unless its package was named, and none ever on the host: the tree
//! becomes a layer for the time being that belongs to a VM's user, a VM of agentOS is made over it, the scripts run in there,
//! and what the tree is then comes back as an archive, of which the layer of the package is made. The store does not know
//! what a VM is; whoever opens it brings a [`ScriptRunner`].
//!
//! ```text
//!   archives -> layer, of the user's -> VM: preinstall, install, postinstall -> archive -> layer, of the superuser's
//! ```
//!
//! As with npm, each kind of script runs in all packages before the next kind, packages in packages first.

use super::bounds::Bounds;
use super::disk::Disk;
use super::error::{Error, Result};
use super::package::Package;
use super::progress::{Progress, Step};
use super::spec;
use agentos_image::assembly::{self, Assembly, LayerId, Module};
use agentos_image::{Cache, Image};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The kinds of scripts, in the order in which they run.
const EVENTS: [&str; 3] = ["preinstall", "install", "postinstall"];
/// What npm runs for a package that has this file and no script.
const NATIVE: (&str, &str) = ("binding.gyp", "node-gyp rebuild");
/// Names of packages that a message lists.
const SHOWN: usize = 8;
/// Bytes of a `package.json` that are read.
const PACKAGE_MOST: u64 = 1 << 20;

/// A script that is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[allow(clippy::exhaustive_structs, reason = "made by whoever tests a runner")]
pub struct Script {
    /// The package.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it lies below the package that was asked for; empty for that itself.
    pub path: String,
    /// `preinstall`, `install` or `postinstall`.
    pub event: String,
    /// What a shell runs.
    pub command: String,
}

/// What is to be run, and where.
#[allow(clippy::exhaustive_structs, reason = "made by whoever tests a runner")]
pub struct ScriptJob<'a> {
    /// The tree, in its place; everything in it belongs to [`USER`].
    pub image: Image,
    /// The directory of the package that was asked for.
    pub home: String,
    /// The scripts, in their order. Each runs in the directory of its package, with the variables that npm gives.
    pub scripts: &'a [Script],
    /// Time that each may take.
    pub time: Duration,
    /// Adds Node.js to the store, for scripts that need it.
    pub node: &'a dyn Fn() -> Result<Option<Package>>,
    /// Told what goes on.
    pub progress: &'a dyn Progress,
}

/// The user and the group of a VM that scripts run as.
pub const USER: u32 = 1000;

impl fmt::Debug for ScriptJob<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptJob")
            .field("home", &self.home)
            .field("scripts", &self.scripts)
            .finish_non_exhaustive()
    }
}

/// Runs install scripts somewhere that is not the host.
pub trait ScriptRunner: Send + Sync {
    /// Runs the scripts of a job one after another, and writes what its `home` holds then as a tar archive whose members begin
    /// with the last name of `home`'s path.
    ///
    /// # Errors
    /// [`Error::Script`] and [`Error::Limit`] for a script that fails or takes too long, and those of whatever it runs in.
    fn run(&self, job: &ScriptJob<'_>, archive: &mut (dyn Write + Send)) -> Result<()>;
}

/// Which scripts may run, and by whom they are run.
#[derive(Clone)]
pub(super) struct Allowed {
    pub(super) names: BTreeSet<String>,
    pub(super) runner: Arc<dyn ScriptRunner>,
}

impl fmt::Debug for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Allowed").field(&self.names).finish()
    }
}

/// A file that is there for as long as this is.
#[derive(Debug)]
pub(super) struct Passing(PathBuf);

impl Passing {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        // Also one that stays behind is removed, by the next change of the store.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Writes no more than it may.
struct Bounded {
    file: File,
    written: u64,
    most: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written = self.written.saturating_add(bytes.len() as u64);
        if self.written > self.most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Runs the scripts of a job. What the tree is then is in the archive.
pub(super) fn run(by: &Allowed, job: &ScriptJob<'_>, disk: &Disk, bounds: &Bounds) -> Result<Passing> {
    let (file, path) = disk.draft()?;
    let passing = Passing(path);
    let mut archive = Bounded {
        file,
        written: 0,
        most: bounds.unpacked,
    };
    let ran = by.runner.run(job, &mut archive);
    let what = format!("what install scripts made of {}", job.home);
    Bounds::check(what, archive.written, bounds.unpacked, "bytes", "unpacked")?;
    ran.map(|()| passing)
}

/// How often, and after which time each, it is tried to remove a layer.
const TRIES: (u32, Duration) = (100, Duration::from_millis(20));

/// Removes the layer that scripts ran over. A program that another thread starts just now has it open for a moment.
pub(super) fn discard(layer: LayerId, cache: &Cache) -> Result<()> {
    for _ in 0..TRIES.0 {
        if assembly::remove(layer, cache)? {
            break;
        }
        std::thread::sleep(TRIES.1);
    }
    Ok(())
}

/// A package that was unpacked.
#[derive(Debug)]
pub(super) struct Placed {
    /// Where, from the root.
    pub(super) place: String,
    /// Where below the package that was asked for.
    pub(super) path: String,
    pub(super) module: Module,
}

/// The scripts of unpacked packages, in the order in which they would run.
pub(super) fn found(assembly: &Assembly<'_>, placed: &[Placed]) -> Vec<Script> {
    let mut scripts = Vec::new();
    for package in placed {
        let file = format!("{}/package.json", package.place);
        let text = assembly.head(&file, PACKAGE_MOST).unwrap_or_default();
        let says: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        let said = |event: &str| says.get("scripts")?.get(event)?.as_str();
        let mut of_package: BTreeMap<&str, &str> = EVENTS
            .into_iter()
            .filter_map(|event| Some((event, said(event).filter(|text| !text.trim().is_empty())?)))
            .collect();
        let (file, command) = NATIVE;
        let has_own = of_package.contains_key("preinstall") || of_package.contains_key("install");
        if !has_own && assembly.has_file(&format!("{}/{file}", package.place)) {
            of_package.insert("install", command);
        }
        scripts.extend(of_package.into_iter().map(|(event, command)| Script {
            name: package.module.name.clone(),
            version: package.module.version.clone(),
            path: package.path.clone(),
            event: event.to_owned(),
            command: command.to_owned(),
        }));
    }
    let rank = |script: &Script| EVENTS.iter().position(|event| *event == script.event);
    let depth = |script: &Script| std::cmp::Reverse(script.path.matches('/').count());
    scripts.sort_by(|one, other| {
        let key = |script: &Script| (rank(script), depth(script), script.path.is_empty());
        key(one).cmp(&key(other)).then_with(|| one.path.cmp(&other.path))
    });
    scripts
}

/// Links the commands of packages where scripts of others find them, in `node_modules/.bin` beside each.
pub(super) fn link(assembly: &mut Assembly<'_>, placed: &[Placed]) -> Result<()> {
    let mut known = BTreeSet::new();
    for package in placed.iter().filter(|package| !package.path.is_empty()) {
        let Some((above, name)) = package.place.rsplit_once("node_modules/") else {
            continue;
        };
        for (command, target) in &package.module.commands {
            let path = format!("{above}node_modules/.bin/{command}");
            if known.insert(path.clone()) {
                assembly.symlink(&path, &format!("../{name}/{target}"))?;
            }
        }
    }
    Ok(())
}

/// Refuses names that no package has.
pub(super) fn check(what: &str, names: &BTreeSet<String>, packages: &BTreeSet<&str>) -> Result<()> {
    let Some(unknown) = names.iter().find(|name| !packages.contains(name.as_str())) else {
        return Ok(());
    };
    let near = spec::nearest(unknown, packages.iter().copied());
    let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    let unknown: String = unknown.chars().take(128).collect();
    Err(Error::source(
        what,
        format!("needs no package {unknown:?}, whose install scripts were to be allowed{hint}"),
    ))
}

/// The names of packages that have scripts, as a list for people.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: BTreeSet<&str> = names.into_iter().collect();
    let shown: Vec<&str> = names.iter().copied().take(SHOWN).collect();
    let more = match names.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(","))
}

/// Tells of scripts that were not run.
pub(super) fn tell(refused: &[&Script], wanted: &str, progress: &dyn Progress) {
    if refused.is_empty() {
        return;
    }
    let names = listed(refused.iter().map(|script| script.name.as_str()));
    let text = format!(
        "{wanted}: install scripts of {names} were not run; if it does not work without them, add it with --allow-scripts {names}"
    );
    progress.report(&Step::Warning(&text));
}
