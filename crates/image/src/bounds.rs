//! How much an image may be. Archives lie about their sizes, and a few bytes can unpack to any number of them.

use crate::error::{Error, Result};

/// What is accepted of one archive or image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// Most bytes of content that are unpacked.
    pub bytes: u64,
    /// Most members, and most files, directories and links that they make.
    pub entries: u64,
    /// Most bytes of names, link texts and extended attributes, which are held in memory.
    pub metadata: u64,
    /// Longest path of a member, in bytes.
    pub path: usize,
    /// Most directories above a member.
    pub depth: usize,
    /// Most bytes that one compressed byte may become, counted once [`GRACE`](Bounds::GRACE) bytes were unpacked.
    pub ratio: u64,
    /// Most bytes of a manifest, a configuration or an index.
    pub document: u64,
    /// Most layers of one image.
    pub layers: usize,
}

impl Bounds {
    /// Bytes that are unpacked before the ratio counts.
    pub const GRACE: u64 = 64 << 20;
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            bytes: 32 << 30,
            entries: 1_000_000,
            metadata: 256 << 20,
            path: 4096,
            depth: 256,
            ratio: 1024,
            document: 4 << 20,
            layers: 127,
        }
    }
}

/// Fails if there is more than there may be.
pub(crate) fn within(what: &'static str, observed: u64, capacity: u64, unit: &'static str) -> Result<()> {
    match observed <= capacity {
        true => Ok(()),
        false => Err(Error::Limit {
            what,
            observed,
            capacity,
            unit,
        }),
    }
}
