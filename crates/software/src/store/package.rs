//! A package that is in the store.

use super::error::{Error, Result};
use super::named;
use super::spec::Spec;
use agentos_image::Cache;
use agentos_image::Image;
use agentos_image::assembly::LayerId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Software that is in the store: read-only layers, and what there is in them. Clones are the same package.
#[derive(Debug, Clone)]
pub struct Package {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    record: Record,
    cache: Arc<Cache>,
    opened: Mutex<Opened>,
}

/// The images, once somebody wanted them.
#[derive(Debug, Default)]
struct Opened {
    image: Option<Image>,
    runtimes: Option<Vec<Image>>,
}

/// What is written down of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Record {
    /// Version of this shape.
    pub(super) format: u32,
    /// Version of what made it.
    #[serde(default)]
    pub(super) recipe: u32,
    pub(super) spec: String,
    pub(super) name: String,
    pub(super) version: String,
    /// Layers from below, by their keys.
    pub(super) layers: Vec<String>,
    /// What its programs run with, below everything else of a VM, the first on top: Node.js, the host's C library as it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) runtime: Vec<String>,
    /// Whether there are programs of Linux in it, or may be.
    pub(super) native: bool,
    pub(super) commands: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) agent: Option<Agent>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) env: BTreeMap<String, String>,
    /// Packages whose install scripts it was made with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) scripts: Vec<String>,
    /// Version of the linking that it went through, with a layer more or in vain; 0 for none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(super) linked: u32,
    /// Digest of the file that it was made of, if it was made of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
}

/// The present shape of a [`Record`].
pub(super) const FORMAT: u32 = 1;
/// Changes when records of the same packages come out otherwise: they are then made anew when they are added, from what was downloaded or the same file.
pub(super) const RECIPE: u32 = 2;

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_none(version: &u32) -> bool {
    *version == 0
}

/// An agent that a package brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Agent {
    /// Its name for sessions.
    pub id: String,
    /// The command that speaks the protocol, with its arguments.
    pub command: Vec<String>,
    /// Package of the adapter.
    pub adapter: String,
    /// Package of the agent.
    pub package: String,
    /// Variables for its process.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

impl Package {
    pub(super) fn new(record: Record, cache: Arc<Cache>) -> Self {
        Self {
            inner: Arc::new(Inner {
                record,
                cache,
                opened: Mutex::default(),
            }),
        }
    }

    pub(super) fn record(&self) -> &Record {
        &self.inner.record
    }

    /// Scripts of this package, each with paths of modules that it begins with and that may be loaded before the script is started.
    pub fn preloads(&self) -> Vec<(String, Vec<String>)> {
        match self.spec().parse() {
            Ok(Spec::Named(named)) => named::preloads(named),
            _ => Vec::new(),
        }
    }

    /// The words that it was added with.
    pub fn spec(&self) -> &str {
        &self.inner.record.spec
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.record.name
    }

    /// Its version, or the digest of what it was made of.
    pub fn version(&self) -> &str {
        &self.inner.record.version
    }

    /// Its commands, sorted.
    pub fn commands(&self) -> &[String] {
        &self.inner.record.commands
    }

    /// The agent in it, if there is one.
    pub fn agent(&self) -> Option<&Agent> {
        self.inner.record.agent.as_ref()
    }

    /// Variables that it wants processes to have.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.inner.record.env
    }

    /// Packages in it whose install scripts were allowed and run.
    pub fn scripts(&self) -> &[String] {
        &self.inner.record.scripts
    }

    /// Whether there are programs of Linux in it, or may be.
    pub fn is_native(&self) -> bool {
        self.inner.record.native
    }

    /// Whether it is nothing but the bundled commands.
    pub fn is_bundled(&self) -> bool {
        self.inner.record.layers.is_empty()
    }

    /// Its layers from below, by their digests.
    pub fn layers(&self) -> &[String] {
        &self.inner.record.layers
    }

    /// The tree of its layers, opened at the first call. Nobody can remove it from the store as long as the image lives.
    ///
    /// # Errors
    /// Where a layer is missing or damaged.
    pub fn image(&self) -> Result<Image> {
        let mut opened = self.inner.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(image) = &opened.image {
            return Ok(image.clone());
        }
        let image = self.assembled(&self.inner.record.layers)?;
        Ok(opened.image.insert(image).clone())
    }

    /// What its programs run with, to lie below everything else of a VM, the first on top.
    ///
    /// # Errors
    /// As [`image`](Self::image).
    pub fn runtimes(&self) -> Result<Vec<Image>> {
        let mut opened = self.inner.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtimes) = &opened.runtimes {
            return Ok(runtimes.clone());
        }
        let layers = self.inner.record.runtime.iter();
        let open = layers.map(|layer| self.assembled(std::slice::from_ref(layer)));
        let runtimes: Vec<Image> = open.collect::<Result<_>>()?;
        Ok(opened.runtimes.insert(runtimes).clone())
    }

    /// The layers of its [`runtimes`](Self::runtimes), by their digests.
    pub fn runtime_layers(&self) -> &[String] {
        &self.inner.record.runtime
    }

    fn assembled(&self, layers: &[String]) -> Result<Image> {
        let damaged = |reason: String| Error::Damaged {
            name: self.name().to_owned(),
            reason,
        };
        let layers = ids(layers).ok_or_else(|| damaged("its record names no layer".to_owned()))?;
        let name = format!("software {}", self.name());
        Image::assembled(&name, &layers, &self.inner.cache).map_err(|error| damaged(error.to_string()))
    }
}

/// The keys of layers.
pub(super) fn ids(layers: &[String]) -> Option<Vec<LayerId>> {
    layers.iter().map(|layer| LayerId::parse(layer)).collect()
}
