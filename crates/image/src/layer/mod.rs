//! Layers: from an archive into the cache, and from there to VMs.

mod serve;
#[cfg(test)]
pub(crate) mod tests;
mod unpack;

pub(crate) use serve::TreeFs;
pub(crate) use unpack::{Flavour, Unpacker, archive};
