//! Documents of a layout.

use crate::digest::Digest;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An index: manifests of platforms and names.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    #[serde(default)]
    pub(super) manifests: Vec<Descriptor>,
}

/// A manifest.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
}

/// What something is, and how to find it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
    pub(super) platform: Option<Platform>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// A platform.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Platform {
    architecture: String,
    os: String,
}

/// The configuration of an image, with what is about its layers.
#[derive(Debug, Deserialize)]
pub(super) struct Document {
    pub(super) config: Option<Config>,
    pub(super) rootfs: Rootfs,
}

#[derive(Debug, Deserialize)]
pub(super) struct Rootfs {
    #[serde(default)]
    pub(super) diff_ids: Vec<String>,
}

/// What an image says about running it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Config {
    /// Variables, `NAME=VALUE`.
    #[serde(deserialize_with = "or_default")]
    pub env: Vec<String>,
    /// What is run, before the command.
    #[serde(deserialize_with = "or_default")]
    pub entrypoint: Vec<String>,
    /// The command, or its arguments.
    #[serde(deserialize_with = "or_default")]
    pub cmd: Vec<String>,
    /// Directory to start in; empty if none is said.
    #[serde(deserialize_with = "or_default")]
    pub working_dir: String,
    /// User to run as, by name or number; empty if none is said. A VM has its own user.
    #[serde(deserialize_with = "or_default")]
    pub user: String,
}

/// `null` is as good as nothing.
fn or_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(input: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(input)?.unwrap_or_default())
}

impl Config {
    /// The variables as names and values; what is none is left out.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let split = |text: &'_ str| text.find('=').filter(|at| *at > 0);
        self.env
            .iter()
            .filter(|text| !text.contains('\0'))
            .filter_map(move |text| {
                let at = split(text)?;
                Some((text.get(..at)?, text.get(at + 1..)?))
            })
    }
}

const NAME: &str = "org.opencontainers.image.ref.name";

impl Descriptor {
    pub(super) fn is_index(&self) -> bool {
        matches!(
            &*self.media_type,
            "application/vnd.oci.image.index.v1+json" | "application/vnd.docker.distribution.manifest.list.v2+json"
        )
    }

    /// Whether this can be an image: not an attestation, a signature, or something else that indexes hold.
    pub(super) fn is_image(&self) -> bool {
        let manifest = matches!(
            &*self.media_type,
            "application/vnd.oci.image.manifest.v1+json" | "application/vnd.docker.distribution.manifest.v2+json"
        );
        let unknown = self.platform.as_ref().is_some_and(|platform| platform.os == "unknown");
        (manifest || self.is_index()) && !unknown
    }

    /// Whether this is for this machine, or does not say.
    pub(super) fn is_ours(&self) -> bool {
        let ours = |platform: &Platform| platform.os == "linux" && platform.architecture == architecture();
        self.platform.as_ref().is_none_or(ours)
    }

    pub(super) fn platform_name(&self) -> Option<String> {
        let platform = self.platform.as_ref()?;
        Some(format!("{}/{}", platform.os, platform.architecture))
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.annotations.get(NAME).map(String::as_str)
    }
}

/// The SHA-256 of `sha256:HEX`.
pub(super) fn digest(text: &str) -> Result<Digest> {
    let digest = text.strip_prefix("sha256:").and_then(Digest::parse);
    digest.ok_or_else(|| {
        let shown: String = text.chars().take(100).collect();
        Error::format("digest", format!("{shown:?} is not sha256: and 64 hexadecimal digits"))
    })
}

/// The machine's architecture as images call it.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

pub(super) fn this_platform() -> String {
    format!("linux/{}", architecture())
}
