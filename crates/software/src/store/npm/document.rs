//! What a registry says of a package, and which of its versions is taken.

use super::super::error::{Error, Result};
use super::super::spec::{is_npm, nearest};
use node_semver::{Range, Version as Number};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// A package of a registry, in the short form that installers ask for.
#[derive(Debug, Deserialize)]
pub(super) struct Document {
    #[serde(rename = "dist-tags", default, deserialize_with = "texts")]
    pub(super) tags: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) versions: BTreeMap<String, Version>,
}

/// One version of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Version {
    #[serde(deserialize_with = "texts")]
    pub(super) dependencies: BTreeMap<String, String>,
    #[serde(deserialize_with = "texts")]
    pub(super) optional_dependencies: BTreeMap<String, String>,
    #[serde(deserialize_with = "texts")]
    pub(super) peer_dependencies: BTreeMap<String, String>,
    peer_dependencies_meta: Value,
    #[serde(alias = "bundledDependencies")]
    bundle_dependencies: Value,
    os: Value,
    cpu: Value,
    libc: Value,
    deprecated: Value,
    pub(super) dist: Dist,
}

/// Where its archive is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Dist {
    pub(super) tarball: String,
    pub(super) integrity: Option<String>,
}

/// A map of texts; what is no text is not there, and what is no map is empty.
fn texts<'de, D: Deserializer<'de>>(input: D) -> Result<BTreeMap<String, String>, D::Error> {
    let Value::Object(object) = Value::deserialize(input)? else {
        return Ok(BTreeMap::new());
    };
    let text = |(key, value): (String, Value)| value.as_str().map(|value| (key, value.to_owned()));
    Ok(object.into_iter().filter_map(text).collect())
}

/// The machine that packages are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Platform {
    pub(in super::super) cpu: &'static str,
}

impl Platform {
    /// This machine. VMs run programs of Linux with the GNU C library.
    pub(in super::super) fn here() -> Self {
        let cpu = match std::env::consts::ARCH {
            "x86_64" => "x64",
            "aarch64" => "arm64",
            other => other,
        };
        Self { cpu }
    }

    /// Its name in lock files.
    pub(super) fn name(self) -> String {
        format!("linux-{}-glibc", self.cpu)
    }
}

/// Whether a list of npm's (`os`, `cpu`, `libc`) has a word: named, or not excluded.
fn allows(list: &Value, word: &str) -> bool {
    let words: Vec<&str> = match list {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => return true,
    };
    let excluded = words.iter().any(|known| known.strip_prefix('!') == Some(word));
    let mut named = words.iter().filter(|known| !known.starts_with('!')).peekable();
    !excluded && (named.peek().is_none() || named.any(|known| *known == word || *known == "any"))
}

impl Version {
    pub(super) fn fits(&self, platform: Platform) -> bool {
        allows(&self.os, "linux") && allows(&self.cpu, platform.cpu) && allows(&self.libc, "glibc")
    }

    pub(super) fn is_optional_peer(&self, name: &str) -> bool {
        let meta = self.peer_dependencies_meta.get(name);
        meta.and_then(|meta| meta.get("optional")).and_then(Value::as_bool) == Some(true)
    }

    /// Whether its archive holds this dependency itself.
    pub(super) fn bundles(&self, name: &str) -> bool {
        match &self.bundle_dependencies {
            Value::Bool(all) => *all,
            Value::Array(names) => names.iter().any(|known| known.as_str() == Some(name)),
            _ => false,
        }
    }

    fn is_deprecated(&self) -> bool {
        !matches!(&self.deprecated, Value::Null | Value::Bool(false)) && self.deprecated.as_str() != Some("")
    }
}

/// What a package asks for under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The package, which may be called otherwise (`npm:NAME@RANGE`).
    pub(super) package: String,
    /// Range or tag.
    pub(super) range: String,
}

impl Wanted {
    /// Reads a dependency. `Err` says why it is refused: packages come from the registry, and nowhere else.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (package, range) = match text.strip_prefix("npm:") {
            Some(alias) => {
                let at = alias.char_indices().skip(1).find(|(_, sign)| *sign == '@');
                let (package, range) = at.and_then(|(at, _)| alias.split_at_checked(at)).unwrap_or((alias, ""));
                (package, range.strip_prefix('@').unwrap_or(range))
            }
            None => (name, text),
        };
        if !is_npm(package) || !is_npm(name) {
            return Err(format!("{package:?} is no name of a package"));
        }
        if range.contains([':', '/', '\\']) || range.len() > 1024 {
            let range: String = range.chars().take(128).collect();
            return Err(format!(
                "{range:?} is not from the registry, and no other place is accepted"
            ));
        }
        Ok(Self {
            package: package.to_owned(),
            range: range.to_owned(),
        })
    }

    /// Whether a version will do. Tags mean nothing where there is no document.
    pub(super) fn accepts(&self, version: &str, document: Option<&Document>) -> bool {
        let range = if self.range.is_empty() { "*" } else { &self.range };
        match (Range::parse(range), Number::parse(version)) {
            (Ok(range), Ok(version)) => range.satisfies(&version) || self.range.is_empty() || self.range == "*",
            _ => {
                document
                    .and_then(|document| document.tags.get(&self.range))
                    .map(String::as_str)
                    == Some(version)
            }
        }
    }
}

impl Document {
    /// The version that is taken, as npm does: the latest if it will do, else the highest that is not deprecated, else the
    /// highest. None will do where `Err` says so.
    pub(super) fn pick(&self, wanted: &Wanted, by: &str) -> Result<(&str, &Version)> {
        let none = || {
            let latest = self.tags.get("latest");
            let tags = self.tags.keys().map(String::as_str);
            let hint = match (nearest(&wanted.range, tags), latest) {
                (Some(tag), _) if Range::parse(&wanted.range).is_err() => format!("; did you mean {tag}?"),
                (_, Some(latest)) => format!("; the latest is {latest}"),
                _ => String::new(),
            };
            Error::NoVersion {
                name: wanted.package.clone(),
                wanted: wanted.range.clone(),
                by: by.to_owned(),
                hint,
            }
        };
        let entry = |version: &String| {
            self.versions
                .get_key_value(version)
                .map(|(name, found)| (name.as_str(), found))
        };
        if let Some(tagged) = self.tags.get(&wanted.range) {
            return entry(tagged).ok_or_else(none);
        }
        let latest = self.tags.get("latest").filter(|latest| wanted.accepts(latest, None));
        if let Some(found) = latest.and_then(entry).filter(|(_, found)| !found.is_deprecated()) {
            return Ok(found);
        }
        let fitting = self
            .versions
            .iter()
            .filter(|(version, _)| wanted.accepts(version, None));
        let ranked = fitting.filter_map(|(name, found)| {
            let number = Number::parse(name).ok()?;
            Some((!found.is_deprecated(), number, name.as_str(), found))
        });
        let best = ranked.max_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        best.map(|(.., name, found)| (name, found)).ok_or_else(none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(value: Value) -> Document {
        serde_json::from_value(value).unwrap()
    }

    fn picked(document: &Document, range: &str) -> Result<String> {
        let wanted = Wanted::parse("x", range).unwrap();
        document.pick(&wanted, "test").map(|(version, _)| version.to_owned())
    }

    #[test]
    fn versions_are_picked_as_npm_does() {
        let found = document(json!({
            "dist-tags": { "latest": "2.0.0", "next": "3.0.0-beta.1" },
            "versions": { "1.0.0": {}, "1.2.0": { "deprecated": "broken" }, "1.1.0": {}, "2.0.0": {}, "2.1.0": {},
                "3.0.0-beta.1": {} },
        }));
        for (range, version) in [
            ("", "2.0.0"),
            ("*", "2.0.0"),
            ("latest", "2.0.0"),
            ("next", "3.0.0-beta.1"),
            ("^2", "2.0.0"),
            ("^2.1", "2.1.0"),
            ("^1", "1.1.0"),
            ("1.2.0", "1.2.0"),
            (">=1 <2 || 3", "1.1.0"),
            ("^3.0.0-beta", "3.0.0-beta.1"),
        ] {
            assert_eq!(picked(&found, range).unwrap(), version, "{range}");
        }
        let error = picked(&found, "^9").unwrap_err().to_string();
        assert!(error.contains("the latest is 2.0.0"), "{error}");
        let error = picked(&found, "nxt").unwrap_err().to_string();
        assert!(error.contains("did you mean next?"), "{error}");
    }

    #[test]
    fn other_places_are_refused() {
        for text in [
            "git+ssh://a/b",
            "file:../x",
            "../x",
            "user/repo",
            "https://a/b.tgz",
            "workspace:*",
            "npm:../x",
        ] {
            assert!(Wanted::parse("x", text).is_err(), "{text}");
        }
        let alias = Wanted::parse("x", "npm:@a/b@^1").unwrap();
        assert_eq!((alias.package.as_str(), alias.range.as_str()), ("@a/b", "^1"));
        assert!(Wanted::parse("../x", "1").is_err());
    }

    #[test]
    fn platforms_are_told_apart() {
        let version = |value: Value| serde_json::from_value::<Version>(value).unwrap();
        let here = Platform { cpu: "x64" };
        for (value, fits) in [
            (json!({}), true),
            (json!({ "os": ["linux"], "cpu": ["x64"], "libc": ["glibc"] }), true),
            (json!({ "os": ["darwin"] }), false),
            (json!({ "os": ["!win32"] }), true),
            (json!({ "os": "!linux" }), false),
            (json!({ "cpu": ["arm64", "x64"] }), true),
            (json!({ "libc": ["musl"] }), false),
            (json!({ "os": 3 }), true),
        ] {
            assert_eq!(version(value.clone()).fits(here), fits, "{value}");
        }
    }
}
