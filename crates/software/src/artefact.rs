//! The committed WebAssembly programs of the userland.
//!
//! Each is carried as xz and described by a manifest that was written when it was built. Unpacking costs a good part of a
//! second for the whole set, so it happens per program, once per process, and only when the bytes themselves are wanted:
//! running a program whose compiled form is cached needs nothing but its digest.

use crate::error::Error;
use agentos_kernel::vfs::Blob;
use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, OnceLock};

/// One program of the bundled userland.
#[derive(Debug)]
#[non_exhaustive]
pub struct Artefact {
    /// File name without extension, for example `box`.
    pub name: String,
    /// Names under which it is called, sorted.
    pub commands: Vec<String>,
    /// The program.
    pub blob: Arc<Blob>,
}

impl Artefact {
    /// SHA-256 of the program.
    pub fn digest(&self) -> [u8; 32] {
        self.blob.digest(|bytes| Sha256::digest(bytes).into())
    }
}

/// The bundled userland, package `common`.
#[derive(Debug)]
pub struct Userland {
    artefacts: Vec<Artefact>,
}

impl Userland {
    /// The userland that this build carries, shared by the whole process.
    pub fn bundled() -> Result<&'static Self, Error> {
        static BUNDLED: OnceLock<Result<Userland, String>> = OnceLock::new();
        let userland = BUNDLED.get_or_init(|| Self::parse(MANIFEST, PACKED).map_err(|error| error.to_string()));
        userland.as_ref().map_err(|message| Error::Damaged(message.clone()))
    }

    /// The programs.
    pub fn artefacts(&self) -> &[Artefact] {
        &self.artefacts
    }

    /// Every command with the program that provides it, sorted by name.
    pub fn commands(&self) -> Vec<(&str, &str)> {
        let mut all: Vec<(&str, &str)> = self
            .artefacts
            .iter()
            .flat_map(|artefact| {
                artefact
                    .commands
                    .iter()
                    .map(|command| (command.as_str(), artefact.name.as_str()))
            })
            .collect();
        all.sort_unstable();
        all
    }

    fn parse(manifest: &str, packed: &'static [(&'static str, &'static [u8])]) -> Result<Self, Error> {
        let manifest: Manifest =
            serde_json::from_str(manifest).map_err(|error| Error::Damaged(format!("manifest: {error}")))?;
        let all: Vec<String> = manifest
            .artefacts
            .values()
            .flat_map(|entry| entry.commands.clone())
            .collect();
        let artefacts = manifest
            .artefacts
            .into_iter()
            .map(|(name, entry)| entry.into_artefact(name, packed, &all));
        Ok(Self {
            artefacts: artefacts.collect::<Result<_, _>>()?,
        })
    }
}

#[derive(Deserialize)]
struct Manifest {
    /// By program name.
    artefacts: BTreeMap<String, ManifestEntry>,
}

/// The fields of a manifest entry that matter at run time; the rest is provenance.
#[derive(Deserialize)]
struct ManifestEntry {
    sha256: String,
    size: u64,
    commands: Vec<String>,
}

impl ManifestEntry {
    /// `all`: the commands of all programs.
    fn into_artefact(
        self,
        name: String,
        packed: &[(&'static str, &'static [u8])],
        all: &[String],
    ) -> Result<Artefact, Error> {
        let damaged = |what: &str| Error::Damaged(format!("{name}: {what}"));
        let digest = parse_digest(&self.sha256).ok_or_else(|| damaged("malformed digest"))?;
        let found = packed.iter().find(|(file, _)| *file == name);
        let (_, bytes) = *found.ok_or_else(|| damaged("not bundled"))?;
        let size = self.size;
        let load = move || unpack(bytes, size, &digest).unwrap_or_default();
        // Others become the complete program for what they cannot do themselves, so it can be any command.
        let can_be = if name == COMPLETE { all } else { &self.commands };
        let blob = Blob::lazy(size, digest, Bytes::from_static(WASM_HEAD), load).with_commands(&name, can_be);
        let mut commands = self.commands;
        commands.sort_unstable();
        commands.dedup();
        Ok(Artefact { name, commands, blob })
    }
}

/// The program that has every tool.
const COMPLETE: &str = "box";

/// First bytes of every core module of version 1.
const WASM_HEAD: &[u8] = b"\0asm\x01\0\0\0";

/// Unpacks and verifies; `None` when the bundled bytes are not what the manifest says.
fn unpack(packed: &[u8], size: u64, digest: &[u8; 32]) -> Option<Bytes> {
    let mut bytes = Vec::with_capacity(usize::try_from(size).ok()?);
    let mut reader = lzma_rust2::XzReader::new(packed, false).take(size + 1);
    reader.read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 == size && <[u8; 32]>::from(Sha256::digest(&bytes)) == *digest).then(|| bytes.into())
}

fn parse_digest(hex: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundled_program_unpacks_to_what_the_manifest_says() {
        for artefact in Userland::bundled().unwrap().artefacts() {
            assert_eq!(
                artefact.blob.bytes().len() as u64,
                artefact.blob.len(),
                "{}",
                artefact.name
            );
            assert_eq!(&artefact.blob.bytes()[..8], WASM_HEAD, "{}", artefact.name);
            assert!(!artefact.commands.is_empty(), "{}", artefact.name);
        }
    }

    #[test]
    fn a_command_belongs_to_one_program() {
        let commands = Userland::bundled().unwrap().commands();
        for pair in commands.windows(2) {
            assert_ne!(pair[0].0, pair[1].0);
        }
    }

    #[test]
    fn damage_is_noticed() {
        let entry =
            |sha256: &str| format!(r#"{{"artefacts":{{"x":{{"sha256":"{sha256}","size":8,"commands":["x"]}}}}}}"#);
        static PACKED: &[(&str, &[u8])] = &[("x", b"not xz")];
        assert!(Userland::parse(&entry("00"), PACKED).is_err());
        let userland = Userland::parse(&entry(&"0".repeat(64)), PACKED).unwrap();
        assert!(userland.artefacts()[0].blob.bytes().is_empty());
        assert!(Userland::parse(&entry(&"0".repeat(64)), &[]).is_err());
    }
}
