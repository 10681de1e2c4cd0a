//! What one program is built from: the packages that it reaches in the lock file, and for those that live here, their
//! files. A change elsewhere in the guest workspace leaves the program's hash alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;

use super::super::paths::Paths;
use super::super::recipe::{self, Program};
use super::super::sources;
use crate::error::{At, Error, Result};
use crate::run;

/// Packages that a program reaches.
pub(crate) struct Closure {
    reached: Vec<LockedPackage>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<LockedPackage>,
}

#[derive(Clone, Deserialize)]
struct LockedPackage {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

impl LockedPackage {
    /// Whether a dependency entry (`name`, `name version` or `name version (source)`) means this package.
    fn answers(&self, entry: &str) -> bool {
        let mut words = entry.split(' ');
        words.next() == Some(&self.name) && words.next().is_none_or(|version| version == self.version)
    }

    fn line(&self) -> String {
        let checksum = self.checksum.as_deref().unwrap_or("local");
        format!(
            "{} {} {checksum} {}\n",
            self.name,
            self.version,
            self.dependencies.join(",")
        )
    }
}

impl Closure {
    /// Reads the lock file and follows it from the program's package.
    pub(crate) fn of(paths: &Paths, program: &Program) -> Result<Self> {
        let path = paths.userland.join("Cargo.lock");
        let text = fs::read_to_string(&path).at(&path)?;
        let lock: Lock = toml::from_str(&text).map_err(|e| Error::Format {
            path,
            detail: e.to_string(),
        })?;
        Ok(Self {
            reached: reach(&lock.package, program.package),
        })
    }

    /// Hash over everything that goes into the program.
    pub(crate) fn digest(&self, paths: &Paths, program: &Program) -> Result<String> {
        let mut text = recipe::text(program);
        text.push('\n');
        text.push_str(&settings(paths, &self.reached)?);
        for part in ["std-overlay", "libc"] {
            let _ = writeln!(text, "{part} {}", sources::digest(&paths.userland.join(part))?);
        }
        let homes = homes(paths)?;
        for package in &self.reached {
            text.push_str(&package.line());
            if package.source.is_none() {
                let home = homes.get(&package.name).ok_or_else(|| Error::Format {
                    path: paths.userland.join("Cargo.lock"),
                    detail: format!("package {} lives neither in a registry nor here", package.name),
                })?;
                let _ = writeln!(text, "{}", sources::digest(home)?);
            }
        }
        Ok(sources::sha256(text.as_bytes()))
    }

    /// Licence expressions with the packages under each. Asks cargo, so it needs the fetched packages.
    pub(crate) fn licences(&self, paths: &Paths) -> Result<BTreeMap<String, Vec<String>>> {
        #[derive(Deserialize)]
        struct Metadata {
            packages: Vec<Package>,
        }
        #[derive(Deserialize)]
        struct Package {
            name: String,
            version: String,
            license: Option<String>,
        }
        let text = run::output(
            Command::new("cargo")
                .args(["metadata", "--format-version", "1", "--locked"])
                .current_dir(&paths.userland)
                .env_remove("RUSTC"),
        )?;
        let metadata: Metadata = serde_json::from_str(&text).map_err(|e| Error::Format {
            path: paths.userland.join("Cargo.toml"),
            detail: e.to_string(),
        })?;
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for package in metadata.packages {
            if self
                .reached
                .iter()
                .any(|r| r.name == package.name && r.version == package.version)
            {
                let licence = package
                    .license
                    .unwrap_or_else(|| "unknown".to_owned())
                    .replace('/', " OR ");
                found
                    .entry(licence)
                    .or_default()
                    .insert(format!("{} {}", package.name, package.version));
            }
        }
        Ok(found
            .into_iter()
            .map(|(licence, names)| (licence, names.into_iter().collect()))
            .collect())
    }
}

fn reach(packages: &[LockedPackage], start: &str) -> Vec<LockedPackage> {
    let mut reached = BTreeMap::new();
    let mut pending = vec![start.to_owned()];
    while let Some(entry) = pending.pop() {
        for package in packages.iter().filter(|p| p.answers(&entry)) {
            let key = (package.name.clone(), package.version.clone());
            if reached.insert(key, package.clone()).is_none() {
                pending.extend(package.dependencies.iter().cloned());
            }
        }
    }
    reached.into_values().collect()
}

/// The parts of the guest workspace's manifest that change what is built of these packages.
fn settings(paths: &Paths, reached: &[LockedPackage]) -> Result<String> {
    let path = paths.userland.join("Cargo.toml");
    let text = fs::read_to_string(&path).at(&path)?;
    let manifest: toml::Table = toml::from_str(&text).map_err(|e| Error::Format {
        path: path.clone(),
        detail: e.to_string(),
    })?;
    let mut text = String::new();
    for key in ["profile", "patch"] {
        let mut value = manifest.get(key).cloned();
        // Settings of single packages count for those who reach them.
        let places: &[&str] = if key == "profile" {
            &["release", "package"]
        } else {
            &["crates-io"]
        };
        let table = places.iter().fold(value.as_mut(), |place, name| place?.get_mut(*name));
        if let Some(toml::Value::Table(packages)) = table {
            packages.retain(|name, _| reached.iter().any(|package| package.name == *name));
        }
        if let Some(value) = value {
            let _ = writeln!(text, "{value}");
        }
    }
    Ok(text)
}

/// Folders of the packages that live here, by name.
fn homes(paths: &Paths) -> Result<BTreeMap<String, PathBuf>> {
    #[derive(Deserialize)]
    struct Manifest {
        package: Named,
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let mut found = BTreeMap::new();
    for folder in [
        paths.userland.clone(),
        paths.userland.join("vendor"),
        paths.root.join("crates"),
    ] {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let home = entry.at(&folder)?.path();
            let Ok(text) = fs::read_to_string(home.join("Cargo.toml")) else {
                continue;
            };
            if let Ok(manifest) = toml::from_str::<Manifest>(&text) {
                found.insert(manifest.package.name, home);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, dependencies: &[&str]) -> LockedPackage {
        LockedPackage {
            name: name.to_owned(),
            version: version.to_owned(),
            source: None,
            checksum: None,
            dependencies: dependencies.iter().map(|d| (*d).to_owned()).collect(),
        }
    }

    #[test]
    fn only_reached_packages_count_and_a_version_tells_twins_apart() {
        let lock = [
            package("sh", "1.0.0", &["a 2.0.0", "b"]),
            package("a", "1.0.0", &[]),
            package("a", "2.0.0", &[]),
            package("b", "1.0.0", &["sh"]),
            package("other", "1.0.0", &["a 1.0.0"]),
        ];
        let reached: Vec<String> = reach(&lock, "sh")
            .iter()
            .map(|p| format!("{} {}", p.name, p.version))
            .collect();
        assert_eq!(reached, ["a 2.0.0", "b 1.0.0", "sh 1.0.0"]);
    }
}
