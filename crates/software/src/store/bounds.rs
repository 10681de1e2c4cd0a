//! How much software may be. Registries and archives are not believed about their sizes.

use super::error::{Error, Result};

/// What is accepted of one package with everything that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// Most packages of npm or Debian that one package needs, itself counted.
    pub packages: u64,
    /// Most bytes of one download.
    pub download: u64,
    /// Most bytes of all downloads of one package.
    pub downloads: u64,
    /// Most bytes of a document of the registry, unpacked.
    pub document: u64,
    /// Most directories of packages in packages.
    pub depth: u64,
    /// Most bytes of a program of WebAssembly.
    pub program: u64,
    /// Most bytes that are unpacked.
    pub unpacked: u64,
    /// Most files, directories and links that are unpacked.
    pub entries: u64,
    /// Redirects that are followed.
    pub redirects: u64,
    /// Packages of a store.
    pub stored: u64,
    /// Most milliseconds of one install script, where such scripts are allowed.
    pub script_ms: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            packages: 4096,
            download: 1 << 30,
            downloads: 4 << 30,
            document: 64 << 20,
            depth: 64,
            program: 512 << 20,
            unpacked: 16 << 30,
            entries: 1_000_000,
            redirects: 5,
            stored: 4096,
            script_ms: 600_000,
        }
    }
}

impl Bounds {
    /// What the archives of a package are held to.
    pub(super) fn image(&self) -> agentos_image::Bounds {
        let mut bounds = agentos_image::Bounds::default();
        (bounds.bytes, bounds.entries) = (self.unpacked, self.entries);
        bounds
    }

    /// Fails if there is more than a field says.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "texts and whatever is shown as a text are passed alike"
    )]
    pub(super) fn check(
        what: impl ToString,
        observed: u64,
        capacity: u64,
        unit: &'static str,
        field: &'static str,
    ) -> Result<()> {
        match observed <= capacity {
            true => Ok(()),
            false => Err(Error::Limit {
                what: what.to_string(),
                observed,
                capacity,
                unit,
                field,
            }),
        }
    }
}
