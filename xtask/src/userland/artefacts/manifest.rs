//! The manifest: what each artefact is and what it was built from.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::paths::Paths;
use super::super::recipe::Program;
use crate::error::{At, Error, Result};

/// `manifest.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// By program name.
    pub(crate) artefacts: BTreeMap<String, Artefact>,
    /// The same, of programs that only tests use.
    #[serde(default)]
    pub(crate) tests: BTreeMap<String, Artefact>,
}

/// One built program.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Artefact {
    /// Names under which the program is called, as its module says.
    pub(crate) commands: Vec<String>,
    /// Of the module, uncompressed.
    pub(crate) sha256: String,
    /// Bytes of the module.
    pub(crate) size: u64,
    /// Of the committed file.
    pub(crate) compressed_sha256: String,
    /// Bytes of the committed file.
    pub(crate) compressed_size: u64,
    /// Hash over everything that goes into the module.
    pub(crate) source: String,
    /// What was run.
    pub(crate) command: String,
    /// Package versions.
    pub(crate) toolchain: BTreeMap<String, String>,
    /// Licence expressions of all linked packages, with the packages under each.
    pub(crate) licences: BTreeMap<String, Vec<String>>,
}

impl Manifest {
    /// Reads it; a missing file is an empty manifest.
    pub(crate) fn read(paths: &Paths) -> Result<Self> {
        let path = path(paths);
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|e| Error::Format {
                path,
                detail: e.to_string(),
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).at(path),
        }
    }

    /// What it says of a program.
    pub(crate) fn get(&self, program: &Program) -> Option<&Artefact> {
        let part = if program.for_tests {
            &self.tests
        } else {
            &self.artefacts
        };
        part.get(program.name)
    }

    /// Replaces what it says of a program.
    pub(crate) fn insert(&mut self, program: &Program, artefact: Artefact) {
        let part = if program.for_tests {
            &mut self.tests
        } else {
            &mut self.artefacts
        };
        part.insert(program.name.to_owned(), artefact);
    }

    /// Drops what it says of programs that are no more.
    pub(crate) fn retain(&mut self, programs: &[Program]) {
        let known = |name: &String, for_tests| programs.iter().any(|p| p.name == name && p.for_tests == for_tests);
        self.artefacts.retain(|name, _| known(name, false));
        self.tests.retain(|name, _| known(name, true));
    }

    /// Writes it, in a stable order.
    pub(crate) fn write(&self, paths: &Paths) -> Result<()> {
        let path = path(paths);
        let mut text = serde_json::to_string_pretty(self).map_err(|e| Error::Format {
            path: path.clone(),
            detail: e.to_string(),
        })?;
        text.push('\n');
        fs::write(&path, text).at(path)
    }
}

/// The file of a program's artefact.
pub(crate) fn file(paths: &Paths, program: &Program) -> PathBuf {
    let folder = paths.artefacts();
    let folder = if program.for_tests {
        folder.join("tests")
    } else {
        folder
    };
    folder.join(format!("{}.wasm.xz", program.name))
}

fn path(paths: &Paths) -> PathBuf {
    paths.artefacts().join("manifest.json")
}
