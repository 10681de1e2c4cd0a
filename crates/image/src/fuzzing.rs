//! Entrances for fuzz targets. They are no part of the interface.

use crate::bounds::Bounds;
use crate::cache::Cache;
use crate::compress::decompress;
use crate::error::{Error, Result};
use crate::layer::{Flavour, Unpacker};
use crate::oci;
use crate::tar::Reader;
use crate::tree::{Draft, Tree, decode, encode};

/// Unpacks an archive as far as it is one, and throws it away. What is accepted must survive being written down.
///
/// # Errors
/// What is wrong with the archive, or that something of ours is.
pub fn archive(bytes: &[u8], cache: &Cache, oci: bool) -> Result<()> {
    let bounds = Bounds {
        bytes: 1 << 20,
        entries: 1000,
        ..Bounds::default()
    };
    let flavour = if oci { Flavour::Oci } else { Flavour::Plain };
    let mut unpacker = Unpacker::new(cache, flavour, &bounds)?;
    let (_, unpacked) = decompress(bytes, &bounds)?;
    unpacker.add_all(Reader::new(unpacked, bounds))?;
    sound(&unpacker.draft)
}

/// Reads an index of a layer, a configuration and a manifest.
///
/// # Errors
/// If something of ours is wrong.
pub fn documents(bytes: &[u8]) -> Result<()> {
    oci::parse_all(bytes);
    match decode(bytes) {
        Ok(draft) => sound(&draft),
        Err(_) => Ok(()),
    }
}

fn sound(draft: &Draft) -> Result<()> {
    let wrong = |reason: &str| Error::format("tree", reason);
    if decode(&encode(draft))? != *draft {
        return Err(wrong("reads back as another one"));
    }
    let mut whole = Draft::default();
    // A link to a file of a layer below, of which there is none here, is an error and no more.
    let _ = whole.apply(draft, 0);
    let tree = Tree::new(&whole);
    let lost = tree.inodes.iter().any(|inode| inode.links == 0);
    if lost {
        Err(wrong("has a file without a name"))
    } else {
        Ok(())
    }
}
