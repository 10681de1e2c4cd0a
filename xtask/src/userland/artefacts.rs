//! Committed guest programs: building, the manifest beside them, and the two ways to check them.
//!
//! `check` answers "was this built from these sources" from hashes alone; `verify` answers "do these sources still give
//! these bytes" by building.

mod closure;
mod commands;
mod manifest;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::paths::Paths;
use super::recipe::{self, PROGRAMS, Program};
use super::{packages, sources, sysroot};
use crate::error::{At, Error, Result};
use closure::Closure;
use manifest::{Artefact, Manifest};

/// Builds the named programs, or all, and writes artefacts and manifest.
pub(crate) fn build(paths: &Paths, names: &[&str]) -> Result<()> {
    let ready = sysroot::prepare(paths)?;
    let folder = paths.artefacts().join("tests");
    fs::create_dir_all(&folder).at(&folder)?;
    let mut manifest = Manifest::read(paths)?;
    manifest.retain(PROGRAMS);
    for program in selected(names)? {
        let module = recipe::build(paths, &ready, program)?;
        let raw = fs::read(&module).at(&module)?;
        let packed = recipe::compress(&module)?;
        let file = manifest::file(paths, program);
        let closure = Closure::of(paths, program)?;
        let artefact = Artefact {
            commands: commands::of(&raw, &module)?,
            sha256: sources::sha256(&raw),
            size: raw.len() as u64,
            compressed_sha256: sources::sha256(&packed),
            compressed_size: packed.len() as u64,
            source: closure.digest(paths, program)?,
            command: recipe::text(program),
            toolchain: packages::versions(paths)?,
            licences: closure.licences(paths)?,
        };
        println!(
            "{}: {} bytes, compressed {}",
            program.name, artefact.size, artefact.compressed_size
        );
        fs::write(&file, packed).at(&file)?;
        manifest.insert(program, artefact);
        manifest.write(paths)?;
    }
    Ok(())
}

/// Compares sources and artefacts by their hashes, in both directions. Needs no toolchain.
pub(crate) fn check(paths: &Paths) -> Result<()> {
    let manifest = Manifest::read(paths)?;
    let mut wrong = Vec::new();
    for program in PROGRAMS {
        match manifest.get(program) {
            None => wrong.push(format!("{}: the manifest has no such artefact", program.name)),
            Some(artefact) => wrong.extend(disagreements(paths, program, artefact)?),
        }
    }
    wrong.extend(strangers(paths)?);
    wrong.extend(rivals(&manifest));
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Error::Stale(wrong))
    }
}

/// Rebuilds the named programs, or all, and compares bit for bit.
pub(crate) fn verify(paths: &Paths, names: &[&str]) -> Result<()> {
    check(paths)?;
    let ready = sysroot::prepare(paths)?;
    let manifest = Manifest::read(paths)?;
    let now = packages::versions(paths)?;
    let mut wrong = Vec::new();
    for program in selected(names)? {
        let Some(artefact) = manifest.get(program) else {
            continue;
        };
        if artefact.toolchain != now {
            wrong.push(format!(
                "{}: cannot reproduce: built with {}, this toolchain is {}",
                program.name,
                versions(&artefact.toolchain),
                versions(&now)
            ));
            continue;
        }
        let module = recipe::build(paths, &ready, program)?;
        let raw = fs::read(&module).at(&module)?;
        if sources::sha256(&raw) != artefact.sha256 {
            wrong.push(format!(
                "{}: the rebuilt module differs from the committed one",
                program.name
            ));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Error::Stale(wrong))
    }
}

fn selected(names: &[&str]) -> Result<Vec<&'static Program>> {
    if let Some(unknown) = names.iter().find(|n| !PROGRAMS.iter().any(|p| p.name == **n)) {
        return Err(Error::Usage(format!("there is no guest program `{unknown}`")));
    }
    Ok(PROGRAMS
        .iter()
        .filter(|p| names.is_empty() || names.contains(&p.name))
        .collect())
}

fn disagreements(paths: &Paths, program: &Program, artefact: &Artefact) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let name = program.name;
    let rebuild = format!("run `cargo xtask userland build {name}` and commit the artefact");
    if Closure::of(paths, program)?.digest(paths, program)? != artefact.source {
        wrong.push(format!("{name}: its sources changed; {rebuild}"));
    }
    let file = manifest::file(paths, program);
    let packed = fs::read(&file).at(&file)?;
    if sources::sha256(&packed) != artefact.compressed_sha256 {
        wrong.push(format!(
            "{name}: the artefact is not the one of the manifest; {rebuild}"
        ));
        return Ok(wrong);
    }
    let mut raw = Vec::new();
    let unpacked = lzma_rs::xz_decompress(&mut packed.as_slice(), &mut raw);
    if unpacked.is_err() || sources::sha256(&raw) != artefact.sha256 || raw.len() as u64 != artefact.size {
        wrong.push(format!(
            "{name}: the artefact does not unpack to the module of the manifest; {rebuild}"
        ));
    } else if commands::of(&raw, &file)? != artefact.commands {
        wrong.push(format!(
            "{name}: the manifest names other commands than the module; {rebuild}"
        ));
    }
    Ok(wrong)
}

/// Files of the folders that belong to no program.
fn strangers(paths: &Paths) -> Result<Vec<String>> {
    let known: Vec<PathBuf> = PROGRAMS.iter().map(|program| manifest::file(paths, program)).collect();
    let folder = paths.artefacts();
    let mut found = sources::files(&folder)?;
    found.extend(sources::files(&folder.join("tests"))?);
    Ok(found
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "xz") && !known.contains(path))
        .map(|path| format!("{}: no program has this artefact", path.display()))
        .collect())
}

/// Commands that two programs claim.
fn rivals(manifest: &Manifest) -> Vec<String> {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (program, artefact) in &manifest.artefacts {
        for command in &artefact.commands {
            if let Some(other) = owners.insert(command, program) {
                wrong.push(format!("{command}: both {other} and {program} are called by this name"));
            }
        }
    }
    wrong
}

fn versions(toolchain: &BTreeMap<String, String>) -> String {
    toolchain
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect::<Vec<_>>()
        .join(", ")
}
