//! Lock files: what a spec was resolved to, so that the same tree is made of it again.

use super::super::error::{Error, Result};
use super::super::scripts::Script;
use super::integrity::Integrity;
use super::tree::{ROOT, Tree};
use serde::{Deserialize, Serialize};

/// The present shape.
const FORMAT: u32 = 1;

/// What was resolved for one spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in super::super) struct Lock {
    format: u32,
    platform: String,
    /// In the order in which they were asked for.
    pub(super) trees: Vec<LockedTree>,
}

/// One package that was asked for, with everything that it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct LockedTree {
    /// What was asked for, `NAME@RANGE`.
    pub(super) wanted: String,
    pub(super) packages: Vec<Locked>,
    /// The install scripts that were run, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) scripts: Vec<Script>,
}

/// One package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Locked {
    /// Where it lies below the package that was asked for; empty for that itself.
    pub(super) path: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) resolved: String,
    pub(super) integrity: Integrity,
}

impl Lock {
    pub(super) fn new(platform: String, trees: Vec<LockedTree>) -> Self {
        Self {
            format: FORMAT,
            platform,
            trees,
        }
    }

    /// The lock of a text, if it is one for this machine and for these packages.
    pub(super) fn parse(text: &[u8], platform: &str, wanted: &[String]) -> Option<Self> {
        let lock: Self = serde_json::from_slice(text).ok()?;
        let same = lock.trees.iter().map(|tree| &tree.wanted).eq(wanted);
        let sound = lock.trees.iter().all(LockedTree::is_sound);
        (lock.format == FORMAT && lock.platform == platform && same && sound).then_some(lock)
    }
}

impl LockedTree {
    /// Of a tree. Fails where the registry does not say what an archive's digest is.
    pub(super) fn new(wanted: String, tree: &Tree) -> Result<Self> {
        let mut packages = Vec::new();
        let root = tree.place(ROOT).map(|root| (String::new(), root));
        for (path, place) in root.into_iter().chain(tree.paths()) {
            let what = format!("{}@{}", place.package, place.version);
            let integrity = place.integrity.as_deref().and_then(Integrity::parse);
            let integrity = integrity.ok_or_else(|| {
                let reason = "the registry gives no sha512 of its archive, so that nobody could check what comes";
                Error::source(&what, reason)
            })?;
            packages.push(Locked {
                path,
                name: place.package.clone(),
                version: place.version.clone(),
                resolved: place.tarball.clone(),
                integrity,
            });
        }
        Ok(Self {
            wanted,
            packages,
            scripts: Vec::new(),
        })
    }

    /// Whether every path is one of packages in packages, and the first is the root.
    fn is_sound(&self) -> bool {
        let mut packages = self.packages.iter();
        let root = packages.next().is_some_and(|root| root.path.is_empty());
        let sound = |locked: &Locked| {
            let names = locked.path.strip_prefix("node_modules/");
            names.is_some_and(|names| names.split("/node_modules/").all(super::super::spec::is_npm))
        };
        let named = self
            .packages
            .iter()
            .all(|locked| super::super::spec::is_npm(&locked.name));
        root && packages.all(sound) && named
    }
}
