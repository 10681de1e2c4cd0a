//! Linked software: an agent of thousands of modules as few files, with what V8 compiles of them.
//!
//! Pi begins with 1,400 modules. Node.js looks for each in several places, asks for the manifest of its package, reads, compiles and links it: of the 0.8 s of
//! processor time that Pi takes until it answers, two thirds. So when such software is added, its modules are put together into a few files, once, and V8's
//! cache of what it compiles is put beside them. Both are one more layer of the package, on top of what npm brought, with links of the commands' names.
//!
//! ```text
//!   layers of the package  \
//!   Node.js, esbuild        > VM, as its user: link -> lib/*/*.js, warm -> cache/*  -> archive -> layer, of the superuser's
//!   link.mjs, bin/*.js     /
//! ```
//!
//! * What is linked is what the store has verified, by a version of esbuild that is named here and comes with its SHA-512. Neither runs on the host:
//!   the VM has no network, no mounts, and nothing of anybody.
//! * The first step runs esbuild alone. The second runs the commands themselves. What those could write is taken for their own code later, which is theirs
//!   anyway, in a VM, with the rights of whoever starts it; no other software reads it.
//! * The layer is a layer like others: read-only for guests, known by its digest, read through by [`Store::verify`], removed with its package. Node.js
//!   is that of the package's record, and another, or another processor, finds no cache that it accepts and compiles.
//! * What a command imports and seldom calls stays outside ([`Later`]): to import it is to evaluate all of it, and of Pi's start that was nearly half, for a
//!   compiler of TypeScript, which only extensions need, and grammars, which only a terminal shows. It is loaded when one of its functions is called.
//! * A module says of itself that it is where it was (`import.meta.url`, `__dirname`), so it finds what lies beside it. What extensions import by name are
//!   the modules of the package itself, beside those of the linked program; `AGENTOS_UNLINKED` in the environment starts the program from those.
//!
//! Software that cannot be linked is as it was, with a warning.

use super::error::{Error, Result};
use super::npm::{Kind, Npm, Part, Platform};
use super::package::{Package, Record, ids};
use super::progress::{Progress, Step};
use super::scripts::{self, Allowed, Script, ScriptJob, ScriptRunner};
use super::{Store, named};
use agentos_image::Image;
use agentos_image::assembly::{Assembly, LayerId};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Changes when what is made here does; software that went through another version is linked again when it is added.
pub(super) const VERSION: u32 = 2;

/// What links.
const ESBUILD: (&str, &str) = ("esbuild", "0.28.2");
/// The program around it, and where it lies in the VM.
const LINK: &str = include_str!("link.mjs");
const LINK_PATH: &str = "usr/local/lib/agentos/link/link.mjs";
const PLAN_PATH: &str = "usr/local/lib/agentos/link/plan.json";
/// Below it, linked software by its name.
const LINKED: &str = "usr/local/lib/agentos/linked";
/// Time that one command has to answer while V8 learns it.
const WARM: Duration = Duration::from_secs(60);

/// A command that is linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) name: &'static str,
    /// Its script.
    pub(super) script: String,
    /// The module that the script begins with, which defines things and does nothing.
    pub(super) module: String,
    /// What it imports and seldom calls.
    pub(super) later: &'static [Later],
    /// How it is run for V8 to learn it: arguments, variables, what it is told, and how many lines it answers.
    pub(super) args: &'static [&'static str],
    pub(super) env: &'static [(&'static str, &'static str)],
    pub(super) input: &'static str,
    pub(super) lines: u32,
}

/// Functions that the modules of a command itself import from a package, which is not linked with them but loaded from where it is when one of them
/// is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Later {
    /// What they import.
    pub(super) import: &'static str,
    /// What has the same functions for `require`.
    pub(super) from: &'static str,
    /// All that they import of it.
    pub(super) functions: &'static [&'static str],
}

/// Where the script of a linked command is, and the module that it begins with.
pub(super) fn places(software: &str, command: &str) -> (String, String) {
    let home = format!("/{LINKED}/{software}");
    (
        format!("{home}/bin/{command}.js"),
        format!("{home}/bin/{command}.modules.js"),
    )
}

/// The script of a linked command: as it was where the environment says so.
fn script(software: &str, command: &Command) -> String {
    let Command { name, script, .. } = command;
    format!(
        "#!/usr/bin/env node\n\
         import module from 'node:module';\n\
         const unlinked = process.env.AGENTOS_UNLINKED;\n\
         if (!unlinked) module.enableCompileCache?.('/{LINKED}/{software}/cache');\n\
         await import(unlinked ? 'file://{script}' : '../lib/{name}/run.js');\n"
    )
}

/// The module that a linked command begins with.
fn module(software: &str, command: &Command) -> String {
    format!(
        "import module from 'node:module';\n\
         module.enableCompileCache?.('/{LINKED}/{software}/cache');\n\
         await import('../lib/{}/modules.js');\n",
        command.name
    )
}

/// Where the files are that a command's modules become, from the root.
fn lib(software: &str, command: &Command) -> String {
    format!("{LINKED}/{software}/lib/{}", command.name)
}

/// The packages that a command's modules find by their names.
fn modules_of(command: &Command) -> String {
    let below = command.script.strip_prefix(named::MODULES).unwrap_or(&command.script);
    let mut parts = below.split('/').filter(|part| !part.is_empty());
    let name = match parts.next() {
        Some(scope) if scope.starts_with('@') => format!("{scope}/{}", parts.next().unwrap_or_default()),
        name => name.unwrap_or_default().to_owned(),
    };
    format!("{}/{name}/node_modules", named::MODULES)
}

/// What is loaded later of what a command imports, by how it imports it.
fn later(command: &Command) -> BTreeMap<&str, Value> {
    let one = |later: &Later| json!({ "from": later.from, "functions": later.functions });
    command.later.iter().map(|later| (later.import, one(later))).collect()
}

/// What the program in the VM is told.
fn plan(software: &str, commands: &[Command]) -> String {
    let commands = commands.iter().map(|command| {
        let script = std::iter::once(places(software, command.name).0);
        let args = command.args.iter().map(|arg| (*arg).to_owned());
        json!({
            "entries": { "run": command.script, "modules": command.module },
            "out": format!("/{}", lib(software, command)),
            "later": later(command),
            "warm": {
                "argv": script.chain(args).collect::<Vec<_>>(),
                "env": command.env.iter().copied().collect::<BTreeMap<_, _>>(),
                "input": command.input,
                "lines": command.lines,
            },
        })
    });
    json!({
        "esbuild": format!("{}/{}", named::MODULES, ESBUILD.0),
        "cache": format!("/{LINKED}/{software}/cache"),
        "warmMs": u64::try_from(WARM.as_millis()).unwrap_or(u64::MAX),
        "commands": commands.collect::<Vec<_>>(),
    })
    .to_string()
}

impl Store {
    /// Links software with what is named of it, where a runner was given. The record says that it was tried, so that it is not tried again and again.
    pub(super) fn link(&self, commands: &[Command], record: &mut Record, progress: &dyn Progress) {
        let Some(by) = self.linker.as_ref().filter(|_| !commands.is_empty()) else {
            return;
        };
        record.linked = VERSION;
        match self.linked(by, commands, record, progress) {
            Ok(layer) => record.layers.push(layer.to_string()),
            Err(error) => progress.report(&Step::Warning(&format!(
                "{}: its modules are not linked, so it starts as slowly as elsewhere: {error}",
                record.name
            ))),
        }
    }

    fn linked(
        &self,
        by: &Arc<dyn ScriptRunner>,
        commands: &[Command],
        record: &Record,
        progress: &dyn Progress,
    ) -> Result<LayerId> {
        // It is told of what concerns the software, not the tool.
        let quiet = |step: &Step<'_>| {
            if !matches!(step, Step::Warning(_)) {
                progress.report(step);
            }
        };
        let node = || self.without_scripts().node(&quiet).map(Some);
        let tool = self.tool(&record.spec, &node, &quiet)?;
        let bench = self.bench(&record.name, commands)?;
        let made = self.made_by(by, &[tool, bench], record, &node, &quiet);
        // Both were for this alone.
        scripts::discard(bench, &self.content)?;
        let is_needed = |package: &Package| package.layers().contains(&tool.to_string());
        if !self.list()?.iter().any(is_needed) {
            scripts::discard(tool, &self.content)?;
        }
        let made = made?;
        let mut assembly = Assembly::begin(&self.content, &self.bounds.image())?;
        assembly.made(made.path(), LINKED)?;
        let home = format!("{LINKED}/{}", record.name);
        for command in commands {
            let (name, lib) = (command.name, lib(&record.name, command));
            for part in [format!("{lib}/run.js"), format!("{lib}/modules.js")] {
                if !assembly.has_file(&part) {
                    return Err(Error::source(&record.name, format!("linking it has made no {part}")));
                }
            }
            let below = format!("../lib/agentos/linked/{}/bin/{name}.js", record.name);
            assembly.symlink(&format!("usr/local/bin/{name}"), &below)?;
        }
        assembly.hides(&home)?;
        Ok(assembly.finish()?)
    }

    /// The layer of what links.
    fn tool(
        &self,
        spec: &str,
        node: &(dyn Fn() -> Result<Option<Package>> + Sync),
        progress: &dyn Progress,
    ) -> Result<LayerId> {
        let npm = Npm {
            disk: &self.disk,
            cache: &self.content,
            bounds: &self.bounds,
            settings: &self.settings,
            platform: Platform::here(),
            progress,
            allowed: None,
            node,
        };
        let part = Part {
            name: ESBUILD.0.to_owned(),
            range: ESBUILD.1.to_owned(),
            kind: Kind::Tree { links: &[] },
        };
        let installed = npm.install(&[part], &self.disk.lock_path(&lock_of(spec)))?;
        let first = installed.first().map(|tool| tool.layer);
        first.ok_or_else(|| Error::source(ESBUILD.0, "is not there"))
    }

    /// The layer of what is linked with, and of the scripts of the commands: the VM's user's, who adds to it.
    fn bench(&self, software: &str, commands: &[Command]) -> Result<LayerId> {
        let mut assembly = Assembly::begin(&self.content, &self.bounds.image())?;
        assembly.file(LINK_PATH, 0o644, LINK.as_bytes())?;
        assembly.file(PLAN_PATH, 0o644, plan(software, commands).as_bytes())?;
        let home = format!("{LINKED}/{software}");
        assembly.file(&format!("{home}/package.json"), 0o644, &b"{\"type\":\"module\"}\n"[..])?;
        for command in commands {
            let (path, modules) = places(software, command.name);
            let relative = |path: &str| path.trim_start_matches('/').to_owned();
            assembly.file(&relative(&path), 0o755, script(software, command).as_bytes())?;
            assembly.file(&relative(&modules), 0o644, module(software, command).as_bytes())?;
            // What is asked for by name when it runs is found from here as it is from there.
            let packages = format!("{}/node_modules", lib(software, command));
            assembly.symlink(&packages, &modules_of(command))?;
        }
        assembly.own(&home, scripts::USER, scripts::USER)?;
        Ok(assembly.finish()?)
    }

    /// Links, and has V8 learn, in a VM.
    fn made_by(
        &self,
        by: &Arc<dyn ScriptRunner>,
        tools: &[LayerId],
        record: &Record,
        node: &(dyn Fn() -> Result<Option<Package>> + Sync),
        progress: &dyn Progress,
    ) -> Result<scripts::Passing> {
        let mut layers = ids(&record.layers).unwrap_or_default();
        layers.extend(tools);
        let steps = ["link", "warm"].map(|step| Script {
            name: record.name.clone(),
            version: record.version.clone(),
            path: String::new(),
            event: step.to_owned(),
            command: format!("node /{LINK_PATH} /{PLAN_PATH} {step}"),
        });
        let job = ScriptJob {
            image: Image::assembled(&format!("link of {}", record.name), &layers, &self.content)?,
            home: format!("/{LINKED}/{}", record.name),
            scripts: &steps,
            time: Duration::from_millis(self.bounds.script_ms),
            node,
            progress,
        };
        let allowed = Allowed {
            names: BTreeSet::new(),
            runner: Arc::clone(by),
        };
        scripts::run(&allowed, &job, &self.disk, &self.bounds)
    }
}

/// The name of the lock file of what links some software.
pub(super) fn lock_of(spec: &str) -> String {
    format!("link of {spec}")
}

#[cfg(test)]
mod tests {
    use super::super::Named;
    use super::*;

    #[test]
    fn packages_are_found_where_those_of_the_command_are() {
        let packages: Vec<String> = named::commands(Named::Pi).iter().map(modules_of).collect();
        let below = "/usr/local/lib/node_modules";
        assert_eq!(
            packages,
            [
                format!("{below}/@mariozechner/pi-coding-agent/node_modules"),
                format!("{below}/pi-acp/node_modules")
            ]
        );
    }
}
