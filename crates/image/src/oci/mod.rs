//! OCI image layouts: a directory, or an archive of one.
//!
//! ```text
//!   index.json -> (another index ->) manifest -> configuration
//!                                             -> layers, from below
//! ```
//!
//! Everything but `index.json` is named by its digest and has a length, and both are checked before anything is made of it; the
//! digest of a layer's unpacked bytes is checked against the configuration as well. Of manifests for several platforms that of
//! this machine is taken. Media types that are not known are refused: they are not taken for something else.

mod blobs;
mod document;
mod layers;
#[cfg(test)]
mod tests;

pub(crate) use blobs::{Blobs, spool};
pub use document::Config;
pub(crate) use document::architecture;

use crate::bounds::{Bounds, within};
use crate::cache::{Cache, Layer};
use crate::digest::Digest;
use crate::error::{Error, Result};
use document::{Descriptor, Document, Index, Manifest};

/// Indexes within indexes.
const INDEXES_MOST: usize = 4;

/// An image of a layout.
pub(crate) struct OciImage {
    pub(crate) config: Config,
    /// From below, with the digest of each.
    pub(crate) layers: Vec<(Digest, Layer)>,
}

/// Reads the image of a layout, and unpacks what of it is not in the cache.
pub(crate) fn read(blobs: &Blobs, cache: &Cache, bounds: &Bounds) -> Result<OciImage> {
    let manifest = manifest(blobs, bounds)?;
    within(
        "layers of the image",
        manifest.layers.len() as u64,
        bounds.layers as u64,
        "layers",
    )?;
    let config: Document = blobs.document(&manifest.config, bounds)?;
    let diffs = &config.rootfs.diff_ids;
    if diffs.len() != manifest.layers.len() {
        let (named, there) = (diffs.len(), manifest.layers.len());
        let reason = format!("names {named} layers, and its manifest {there}");
        return Err(Error::format("configuration of the image", reason));
    }
    let mut layers = Vec::new();
    for (descriptor, diff) in manifest.layers.iter().zip(diffs) {
        let diff = document::digest(diff)?;
        layers.push((diff, layers::unpack(blobs, descriptor, diff, cache, bounds)?));
        let entries: usize = layers.iter().map(|(_, layer)| layer.draft.nodes.len()).sum();
        within(
            "files and directories of all layers",
            entries as u64,
            bounds.entries,
            "entries",
        )?;
    }
    Ok(OciImage {
        config: config.config.unwrap_or_default(),
        layers,
    })
}

/// Reads bytes as every kind of document, and acts on an index as far as that goes.
pub(crate) fn parse_all(bytes: &[u8]) {
    if let Ok(index) = serde_json::from_slice::<Index>(bytes) {
        let _ = choose(&index);
    }
    let _ = serde_json::from_slice::<Manifest>(bytes);
    if let Ok(document) = serde_json::from_slice::<Document>(bytes) {
        let _ = document.config.unwrap_or_default().variables().count();
        let _ = document
            .rootfs
            .diff_ids
            .iter()
            .filter(|diff| document::digest(diff).is_ok())
            .count();
    }
}

/// The manifest of this platform.
fn manifest(blobs: &Blobs, bounds: &Bounds) -> Result<Manifest> {
    let mut index: Index = blobs.index(bounds)?;
    for _ in 0..INDEXES_MOST {
        let chosen = choose(&index)?;
        if chosen.is_index() {
            index = blobs.document(&chosen, bounds)?;
            continue;
        }
        return blobs.document(&chosen, bounds);
    }
    Err(Error::format("index of the image", "leads through too many indexes"))
}

/// The one manifest, or further index, for this machine.
fn choose(index: &Index) -> Result<Descriptor> {
    let known: Vec<&Descriptor> = index.manifests.iter().filter(|found| found.is_image()).collect();
    let ours: Vec<&&Descriptor> = known.iter().filter(|found| found.is_ours()).collect();
    // One that names this platform is better than one that names none.
    let named = ours.iter().filter(|found| found.platform.is_some());
    let named: Vec<&&&Descriptor> = named.collect();
    match (named.as_slice(), ours.as_slice()) {
        ([one], _) => Ok((***one).clone()),
        ([], [one]) => Ok((**one).clone()),
        ([], []) => {
            let platforms: Vec<String> = known.iter().filter_map(|found| found.platform_name()).collect();
            let reason = match platforms.is_empty() {
                true => "names no image".to_owned(),
                false => format!(
                    "has no image for {}; it has some for {}",
                    document::this_platform(),
                    platforms.join(", ")
                ),
            };
            Err(Error::format("index of the image", reason))
        }
        _ => {
            let names: Vec<&str> = ours.iter().filter_map(|found| found.name()).collect();
            let reason = format!(
                "names several images for this platform ({}); a layout must have one",
                names.join(", ")
            );
            Err(Error::format("index of the image", reason))
        }
    }
}
