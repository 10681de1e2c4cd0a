//! What is in a store: looking for it, removing it, reading it through.

use super::disk::{self, Disk};
use super::error::{Error, Result};
use super::package::{Package, RECIPE, Record, ids};
use super::spec::{self, Named, Spec};
use super::{Store, bundled, canonical, linked, named};
use agentos_image::assembly;
use std::collections::{BTreeMap, BTreeSet};

/// What [`Store::verify`] found of one package.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verified {
    /// Its name, or that of its record where that cannot be read.
    pub name: String,
    /// What is wrong with it.
    pub problem: Option<Error>,
}

impl Store {
    /// All software, sorted by name. What cannot be read is left out; [`verify`](Self::verify) tells of it.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn list(&self) -> Result<Vec<Package>> {
        let mut packages = Vec::new();
        for path in self.disk.records()? {
            if let Some(Ok(record)) = Disk::record(&path)? {
                packages.push(self.package(record));
            }
        }
        packages.sort_by(|one, other| (one.name(), one.spec()).cmp(&(other.name(), other.spec())));
        Ok(packages)
    }

    /// Software that was added before, by the words that it was added with, or by its name.
    ///
    /// # Errors
    /// [`Error::NotFound`] with the nearest name, or with the words of all that have this name.
    pub fn get(&self, given: &str) -> Result<Package> {
        if given == Named::Common.name() {
            return Ok(self.package(bundled()));
        }
        let text = given
            .parse::<Spec>()
            .map_or_else(|_| given.to_owned(), |spec| canonical(&spec));
        let known = self.list()?;
        if let Some(package) = known.iter().find(|package| package.spec() == text) {
            return Ok(package.clone());
        }
        let named: Vec<&Package> = known.iter().filter(|package| package.name() == given).collect();
        let hint = match *named.as_slice() {
            [package] => return Ok(package.clone()),
            [] => {
                let names = known.iter().flat_map(|package| [package.name(), package.spec()]);
                let near = spec::nearest(given, names);
                near.map_or_else(String::new, |near| format!("; did you mean {near}?"))
            }
            ref many => {
                let specs: Vec<&str> = many.iter().map(|package| package.spec()).collect();
                format!(" under one name; say which: {}", specs.join(", "))
            }
        };
        let given = given.chars().take(128).collect();
        Err(Error::NotFound { given, hint })
    }

    /// Software that was added before and is as it was then.
    pub(super) fn present(&self, spec: &Spec, text: &str) -> Result<Option<Package>> {
        if *spec == Spec::Named(Named::Common) {
            return Ok(Some(self.package(bundled())));
        }
        let record = self.whole(spec, text)?;
        // Which packages of Debian there were then, only the host's indices of then knew.
        let is_current = |record: &Record| record.recipe == RECIPE || matches!(spec, Spec::Deb(_));
        let is_linked = |record: &Record| match spec {
            Spec::Named(named) if self.linker.is_some() => {
                record.linked == linked::VERSION || named::commands(*named).is_empty()
            }
            _ => true,
        };
        let record = record.filter(|record| is_current(record) && is_linked(record));
        Ok(record.map(|record| self.package(record)))
    }

    /// The record of software that was added before and is there with all of its layers, also if it would be made otherwise now.
    pub(super) fn whole(&self, spec: &Spec, text: &str) -> Result<Option<Record>> {
        let Some(Ok(record)) = Disk::record(&self.disk.record_path(text))? else {
            return Ok(None);
        };
        let layers = record.layers.iter().chain(&record.runtime).cloned();
        let layers = ids(&layers.collect::<Vec<_>>()).unwrap_or_default();
        let whole = !layers.is_empty() && layers.iter().all(|layer| assembly::exists(*layer, &self.content));
        let same = match spec {
            Spec::Wasm(path) | Spec::Tar(path) | Spec::Aospkg(path) => record.source == disk::digest_of(path).ok(),
            _ => true,
        };
        let wanted = self.allowed.iter().flat_map(|allowed| &allowed.names);
        let ran = wanted.into_iter().all(|name| record.scripts.contains(name));
        Ok((whole && same && ran).then_some(record))
    }

    /// Removes software, and what nothing else in the store needs of it. Downloads stay.
    ///
    /// # Errors
    /// [`Error::NotFound`], and [`Error::InUse`] while a VM has it; the package then stays.
    pub fn remove(&self, given: &str) -> Result<Package> {
        let _locked = self.disk.lock(&())?;
        let package = self.get(given)?;
        if package.is_bundled() {
            return Err(Error::source(given, "is always there"));
        }
        let layers = |record: &Record| -> BTreeSet<String> {
            let layers = record.layers.iter().chain(&record.runtime);
            layers.cloned().collect()
        };
        let others = self.list()?;
        let others = others.iter().filter(|other| other.spec() != package.spec());
        let needed: BTreeSet<String> = others.flat_map(|other| layers(other.record())).collect();
        let mine = layers(package.record())
            .difference(&needed)
            .cloned()
            .collect::<Vec<_>>();
        let mine = ids(&mine).unwrap_or_default();
        let used = |layer: &assembly::LayerId| assembly::is_used(*layer, &self.content);
        if mine.iter().any(used) {
            let name = package.name().to_owned();
            return Err(Error::InUse { name });
        }
        let path = self.disk.record_path(package.spec());
        std::fs::remove_file(&path).map_err(Error::host(&path))?;
        for lock in [package.spec().to_owned(), linked::lock_of(package.spec())] {
            let _ = std::fs::remove_file(self.disk.lock_path(&lock));
        }
        for layer in mine {
            // One that a VM took just now stays until it is added and removed again.
            assembly::remove(layer, &self.content)?;
        }
        Ok(package)
    }

    /// Reads every byte of all software, and says of each whether it is what it was.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn verify(&self) -> Result<Vec<Verified>> {
        let mut verified = Vec::new();
        let mut known: BTreeMap<String, Result<(), String>> = BTreeMap::new();
        for path in self.disk.records()? {
            let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let (name, reason) = match Disk::record(&path)? {
                None => continue,
                Some(Err(reason)) => (file, Some(reason)),
                Some(Ok(record)) => {
                    let layers = record.layers.iter().chain(&record.runtime);
                    let mut checked = layers.map(|layer| self.checked(layer, &mut known));
                    let reason = checked.find_map(Result::err);
                    (record.name, reason)
                }
            };
            let problem = reason.map(|reason| Error::Damaged {
                name: name.clone(),
                reason,
            });
            verified.push(Verified { name, problem });
        }
        Ok(verified)
    }

    fn checked(&self, layer: &str, known: &mut BTreeMap<String, Result<(), String>>) -> Result<(), String> {
        let check = || {
            let id = assembly::LayerId::parse(layer).ok_or("its record names no layer")?;
            assembly::check(id, &self.content).map_err(|error| error.to_string())
        };
        known.entry(layer.to_owned()).or_insert_with(check).clone()
    }
}
