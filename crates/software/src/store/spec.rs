//! How software is named.
//!
//! ```text
//!   npm:NAME[@RANGE]   a package of npm with everything that it needs, `npm:cowsay`, `npm:@scope/tool@^2`
//!   wasm:FILE          a program of WebAssembly, under the name of its file
//!   tar:FILE           an archive of files, compressed or not
//!   aospkg:FILE        a package of commands in one file
//!   deb:NAME           a package of Debian with everything that it needs, from the sources of the host's apt
//!   pi, claude, ...    what is put together of these, under a name of its own
//! ```

use super::error::{Error, Result};
use core::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A name of software.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Spec {
    /// A package of npm.
    Npm {
        /// Its name, with its scope.
        name: String,
        /// Versions that will do, or a tag; the latest if it is empty.
        range: String,
    },
    /// A program of WebAssembly.
    Wasm(PathBuf),
    /// An archive of files.
    Tar(PathBuf),
    /// A package of commands in one file, as another system packs them.
    Aospkg(PathBuf),
    /// A package of Debian.
    Deb(String),
    /// Software with a name of its own.
    Named(Named),
}

/// Software with a name of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Named {
    /// The bundled shell and tools; always there.
    Common,
    /// Node.js 22.
    Node,
    /// The agent Pi, with its adapter and Node.js.
    Pi,
    /// The agent Claude Code through its adapter, with Node.js.
    Claude,
    /// The agent Codex through its adapter.
    Codex,
    /// The agent OpenCode.
    OpenCode,
}

impl Named {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Common,
        Self::Node,
        Self::Pi,
        Self::Claude,
        Self::Codex,
        Self::OpenCode,
    ];

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Common => "common",
            Self::Node => "node",
            Self::Pi => "pi",
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::OpenCode => "opencode",
        }
    }
}

/// Longest name of a package of npm, and longest range.
const NAME_MAX: usize = 214;
const RANGE_MAX: usize = 256;
/// Most bytes of what was given that an error shows.
const SHOWN: usize = 128;

impl FromStr for Spec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = |reason: String| Error::Spec {
            given: text.chars().take(SHOWN).collect(),
            reason,
        };
        let file = |path: &str| match path {
            "" => Err(refused("names no file".to_owned())),
            path if path.contains('\0') => Err(refused("has a NUL in its name".to_owned())),
            path => Ok(PathBuf::from(path)),
        };
        match text.split_once(':') {
            Some(("npm", rest)) => npm(rest).map_err(refused),
            Some(("wasm", path)) => file(path).map(Self::Wasm),
            Some(("tar", path)) => file(path).map(Self::Tar),
            Some(("aospkg", path)) => file(path).map(Self::Aospkg),
            Some(("deb", name)) if is_deb(name) => Ok(Self::Deb(name.to_owned())),
            Some(("deb", name)) => Err(refused(format!(
                "{name:?} is no name of a package of Debian: lower case letters, digits, '+', '-' and '.'"
            ))),
            _ => named(text).map(Self::Named).map_err(refused),
        }
    }
}

fn named(text: &str) -> Result<Named, String> {
    let found = Named::ALL.iter().find(|named| named.name() == text);
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = Named::ALL.iter().map(|named| named.name()).collect();
        let near =
            nearest(text, names.iter().copied()).map_or_else(String::new, |near| format!("did you mean {near}? "));
        let names = names.join(", ");
        format!(
            "is unknown; {near}give one of {names}, or npm:NAME[@RANGE], wasm:FILE, tar:FILE, aospkg:FILE, deb:NAME"
        )
    })
}

fn npm(text: &str) -> Result<Spec, String> {
    // The scope begins with the sign that separates a version, too.
    let at = text.char_indices().skip(1).find(|(_, sign)| *sign == '@');
    let (name, range) = at.and_then(|(at, _)| text.split_at_checked(at)).unwrap_or((text, ""));
    let range = range.strip_prefix('@').unwrap_or(range).trim();
    if !is_npm(name) {
        let reason = "is no name of a package of npm: NAME or @SCOPE/NAME of letters, digits, '-', '_', '.' and '~'";
        return Err(format!("{name:?} {reason}"));
    }
    if range.len() > RANGE_MAX || range.contains([':', '/', '\\']) {
        return Err(format!(
            "{range:?} is neither a range of versions nor a tag; packages come from the registry, and nowhere else"
        ));
    }
    Ok(Spec::Npm {
        name: name.to_owned(),
        range: range.to_owned(),
    })
}

/// Whether this can be the name of a package of npm.
pub(super) fn is_npm(name: &str) -> bool {
    let part = |part: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
        !part.is_empty() && !part.starts_with('.') && part != "node_modules" && part.bytes().all(known)
    };
    let scoped = name.strip_prefix('@').map(|name| name.split_once('/'));
    name.len() <= NAME_MAX
        && match scoped {
            Some(Some((scope, name))) => part(scope) && part(name),
            Some(None) => false,
            None => part(name),
        }
}

fn is_deb(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.');
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    first && name.len() >= 2 && name.len() <= NAME_MAX && name.bytes().all(known)
}

/// The name that was most likely meant.
pub(super) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if given.len() > SHOWN {
        return None;
    }
    let near = known
        .map(|name| (strsim::damerau_levenshtein(given, name), name))
        .min()?;
    (near.0 <= 2.max(near.1.len() / 3)).then_some(near.1)
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Npm { name, range } if range.is_empty() => write!(f, "npm:{name}"),
            Self::Npm { name, range } => write!(f, "npm:{name}@{range}"),
            Self::Wasm(path) => write!(f, "wasm:{}", path.display()),
            Self::Tar(path) => write!(f, "tar:{}", path.display()),
            Self::Aospkg(path) => write!(f, "aospkg:{}", path.display()),
            Self::Deb(name) => write!(f, "deb:{name}"),
            Self::Named(named) => f.write_str(named.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let error = text.parse::<Spec>().unwrap_err();
        assert_eq!(error.code(), "invalid_software");
        error.to_string()
    }

    #[test]
    fn names_are_read_and_written_alike() {
        for text in [
            "npm:cowsay",
            "npm:cowsay@^1.2",
            "npm:@scope/tool",
            "npm:@scope/tool@latest",
            "npm:a@>=1 <3",
            "wasm:./a b.wasm",
            "tar:/x/y.tar.gz",
            "aospkg:./grep.aospkg",
            "deb:libstdc++6",
            "pi",
            "common",
        ] {
            assert_eq!(text.parse::<Spec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_name_is_named_with_what_is_accepted() {
        assert!(refused("pie").contains("did you mean pi?"));
        assert!(refused("ripgrep").contains("npm:NAME"));
        assert!(refused("").contains("give one of common"));
        for wrong in [
            "",
            "../x",
            ".x",
            "@x",
            "@/x",
            "a/b",
            "@a/b/c",
            "a b",
            "node_modules",
            "@a/..",
        ] {
            assert!(
                refused(&format!("npm:{wrong}")).contains("no name of a package of npm"),
                "{wrong}"
            );
        }
        for wrong in ["a@git+ssh://x", "a@file:../x", "a@../x", "a@http://x/y.tgz"] {
            assert!(refused(&format!("npm:{wrong}")).contains("neither a range"), "{wrong}");
        }
        for wrong in ["", "a", "-x", "A1", "a;b", "a b", "a/b"] {
            assert!(refused(&format!("deb:{wrong}")).contains("Debian"), "{wrong}");
        }
        assert!(refused("wasm:").contains("no file"));
        assert!(refused(&"x".repeat(1 << 20)).len() < 1024);
    }
}
