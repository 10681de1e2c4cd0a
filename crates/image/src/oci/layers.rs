//! Layers of an image.

use super::blobs::Blobs;
use super::document::{self, Descriptor};
use crate::bounds::Bounds;
use crate::cache::{Cache, Layer};
use crate::compress::decompress;
use crate::digest::{Digest, Hashing};
use crate::error::{Error, Result};
use crate::layer::{Flavour, Unpacker};
use crate::tar::Reader;
use std::io;

/// Media types of layers, up to how they are compressed, which their first bytes tell.
const LAYERS: &[&str] = &[
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
];

/// The layer from the cache, or unpacked into it. `diff` is the digest of its bytes when they are not compressed.
pub(super) fn unpack(
    blobs: &Blobs,
    descriptor: &Descriptor,
    diff: Digest,
    cache: &Cache,
    bounds: &Bounds,
) -> Result<Layer> {
    let kind = descriptor.media_type.split(['+', '.']).collect::<Vec<_>>();
    let known = LAYERS.iter().any(|known| {
        let known: Vec<&str> = known.split('.').collect();
        kind.starts_with(&known)
    });
    if !known {
        let reason = format!(
            "is of the media type {:?}, which is not supported",
            descriptor.media_type
        );
        return Err(Error::format("layer of the image", reason));
    }
    let digest = document::digest(&descriptor.digest)?;
    let key = Flavour::Oci.key(diff);
    // What has this key was checked when it was unpacked; the archive it is from need not be read again.
    if let Some(layer) = cache.layer(key)? {
        return Ok(layer);
    }
    let mut packed = blobs.blob(descriptor, digest)?;
    let mut unpacker = Unpacker::new(cache, Flavour::Oci, bounds)?;
    let found = {
        let (_, unpacked) = decompress(&mut packed, bounds)?;
        let mut unpacked = Hashing::new(unpacked);
        unpacker
            .add_all(Reader::new(&mut unpacked, *bounds))
            .map_err(|error| Error::Layer {
                digest: format!("sha256:{digest}"),
                error: Box::new(error),
            })?;
        unpacked.digest()
    };
    io::copy(&mut packed, &mut io::sink())?;
    digest.expect(packed.digest(), "layer of the image")?;
    diff.expect(found, "unpacked layer of the image")?;
    unpacker.publish(key)
}
