//! Making images of packages.
//!
//! ```text
//!   .deb   ar: data.tar.*          -> the files as the package has them, below /usr where the system is merged
//!   .tgz   gzip: package/*         -> /usr/local/lib/node_modules/NAME, with links in /usr/local/bin
//! ```
//!
//! Nothing of a package is run: no scripts of its maintainer, no install hooks. The result is a tar archive, or an OCI layout with
//! a layer for each package. The same packages in the same order make the same bytes: entries are sorted, times are those of the
//! packages, and nothing of the machine or the hour gets in.

pub(crate) mod deb;
pub(crate) mod npm;
mod output;
#[cfg(test)]
mod tests;

use crate::bounds::Bounds;
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::layer::Unpacker;
use std::path::{Path, PathBuf};

/// A package.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Package {
    /// A binary package of Debian.
    Deb(PathBuf),
    /// A package of npm, as `npm pack` makes it.
    Npm(PathBuf),
}

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Format {
    /// One tar archive of all packages.
    #[default]
    Tar,
    /// A directory with an OCI layout, in which every package is a layer.
    Oci,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Built {
    /// SHA-256 of the archive, or of the layout's manifest: `sha256:...`.
    pub digest: String,
    /// The packages, with their names and versions where they say them.
    pub packages: Vec<String>,
    /// What may be missing, for people.
    pub warnings: Vec<String>,
}

/// Makes an image of packages; of files that several have, the last one's counts.
///
/// # Errors
/// [`Error`], which names the package. Nothing is left at `output` then.
pub fn build(packages: &[Package], format: Format, output: &Path, cache: &Cache, bounds: &Bounds) -> Result<Built> {
    if packages.is_empty() {
        return Err(Error::source(output, "no package to make it of"));
    }
    let mut layers = Vec::new();
    let mut found = Found::default();
    for package in packages {
        let mut unpacker = Unpacker::new(cache, crate::layer::Flavour::Plain, bounds)?;
        match package {
            Package::Deb(path) => deb::add(path, &mut unpacker, bounds, &mut found).map_err(Error::of(path))?,
            Package::Npm(path) => npm::add(path, &mut unpacker, bounds, &mut found).map_err(Error::of(path))?,
        }
        layers.push(unpacker);
    }
    let digest = match format {
        Format::Tar => output::tar(&layers, output)?,
        Format::Oci => output::oci(&layers, output)?,
    };
    Ok(Built {
        digest: format!("sha256:{digest}"),
        warnings: found.warnings(),
        packages: found.packages,
    })
}

/// What the packages say of themselves.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) packages: Vec<String>,
    /// Packages of npm by name.
    modules: Vec<String>,
    /// Who needs which package of npm.
    needed: Vec<(String, String)>,
}

impl Found {
    fn warnings(&self) -> Vec<String> {
        let missing = self.needed.iter().filter(|(_, name)| !self.modules.contains(name));
        missing
            .map(|(who, name)| format!("{who} depends on {name}, which is not among the packages"))
            .collect()
    }
}
