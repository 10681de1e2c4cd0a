//! What `cp`, `mv`, `ln` and `install` make of their operands, and backups of what they replace.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use agentos_tools_base::io::{bytes_of, complain, os, reason, shown};

use crate::usage;

/// Where the results go, as the command line says.
#[derive(Debug, Default, Clone)]
pub(super) struct Place {
    /// `-t`.
    pub(super) directory: Option<OsString>,
    /// `-T`.
    pub(super) plain: bool,
    /// A final symbolic link to a directory is not a directory: `ln -n`.
    pub(super) no_follow: bool,
}

/// Pairs of source and target.
pub(super) type Pairs = Vec<(PathBuf, PathBuf)>;

impl Place {
    /// Reads the operands; the error is the status after a complaint.
    pub(super) fn pairs(&self, tool: &str, mut names: Vec<OsString>) -> Result<Pairs, i32> {
        if names.is_empty() {
            return Err(usage(tool, "missing file operand", 1));
        }
        if let Some(dir) = &self.directory {
            if self.plain {
                return Err(usage(
                    tool,
                    "cannot combine --target-directory (-t) and --no-target-directory (-T)",
                    1,
                ));
            }
            if let Err(error) = check_directory(dir) {
                complain(
                    tool,
                    format_args!("target directory '{}': {}", shown(dir), reason(&error)),
                );
                return Err(1);
            }
            return Ok(into(names, Path::new(dir)));
        }
        if names.len() == 1 {
            let missing = format!("missing destination file operand after '{}'", shown(&names[0]));
            return Err(usage(tool, missing, 1));
        }
        // Two names at least, as was just seen.
        let last = names.pop().unwrap_or_default();
        if self.plain {
            if names.len() > 1 {
                return Err(usage(tool, format_args!("extra operand '{}'", shown(&last)), 1));
            }
            return Ok(names
                .into_iter()
                .map(|name| (name.into(), last.clone().into()))
                .collect());
        }
        if self.is_directory(&last) {
            return Ok(into(names, Path::new(&last)));
        }
        if names.len() > 1 {
            let why = check_directory(&last)
                .err()
                .map_or_else(String::new, |error| reason(&error));
            complain(tool, format_args!("target '{}': {why}", shown(&last)));
            return Err(1);
        }
        Ok(names
            .into_iter()
            .map(|name| (name.into(), last.clone().into()))
            .collect())
    }

    fn is_directory(&self, name: &OsStr) -> bool {
        let found = if self.no_follow {
            fs::symlink_metadata(name)
        } else {
            fs::metadata(name)
        };
        found.is_ok_and(|meta| meta.is_dir())
    }
}

fn check_directory(name: &OsStr) -> io::Result<()> {
    match fs::metadata(name) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(io::ErrorKind::NotADirectory.into()),
        Err(error) => Err(error),
    }
}

fn into(names: Vec<OsString>, dir: &Path) -> Pairs {
    names
        .into_iter()
        .map(|name| (PathBuf::from(&name), join(dir, &last(&name))))
        .collect()
}

/// The directory's name as it was written, a slash, and the entry.
pub(crate) fn join(dir: &Path, name: &OsStr) -> PathBuf {
    let mut path = bytes_of(dir.as_os_str()).to_vec();
    if !path.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(bytes_of(name));
    PathBuf::from(os(path))
}

/// The last component, `.` and `..` included.
pub(crate) fn last(name: &OsStr) -> OsString {
    let bytes = bytes_of(name);
    let end = bytes.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
    let start = bytes[..end].iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
    os(bytes[start..end].to_vec())
}

/// How a file that is in the way is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Backup {
    None,
    /// With the suffix.
    Simple,
    /// As `name.~N~`.
    Numbered,
    /// Numbered if there are numbered ones already.
    Existing,
}

impl Backup {
    /// Reads the argument of `--backup`.
    pub(super) fn parse(text: Option<&OsStr>) -> Result<Self, String> {
        let given = text
            .map(OsStr::to_os_string)
            .or_else(|| std::env::var_os("VERSION_CONTROL"));
        match given.as_deref().map(shown).as_deref() {
            None | Some("existing" | "nil") => Ok(Self::Existing),
            Some("none" | "off") => Ok(Self::None),
            Some("simple" | "never") => Ok(Self::Simple),
            Some("numbered" | "t") => Ok(Self::Numbered),
            Some(other) => Err(format!("invalid argument '{other}' for 'backup type'")),
        }
    }

    /// Moves what is at `path` out of the way; returns where to.
    pub(super) fn keep(&self, path: &Path, suffix: &OsStr) -> io::Result<Option<PathBuf>> {
        if *self == Self::None || fs::symlink_metadata(path).is_err() {
            return Ok(None);
        }
        let highest = highest(path);
        let numbered = *self == Self::Numbered || (*self == Self::Existing && highest > 0);
        let mut name = bytes_of(path.as_os_str()).to_vec();
        if numbered {
            name.extend_from_slice(format!(".~{}~", highest + 1).as_bytes());
        } else {
            name.extend_from_slice(bytes_of(suffix));
        }
        let kept = PathBuf::from(os(name));
        fs::rename(path, &kept)?;
        Ok(Some(kept))
    }
}

/// Highest number of a backup of `path`.
fn highest(path: &Path) -> u64 {
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let lead = [bytes_of(path.file_name().unwrap_or_default()), b".~"].concat();
    let number = |name: OsString| -> Option<u64> {
        let digits = bytes_of(&name).strip_prefix(lead.as_slice())?.strip_suffix(b"~")?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    };
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .filter_map(|entry| number(entry.ok()?.file_name()))
        .max()
        .unwrap_or(0)
}

/// The suffix of simple backups.
pub(super) fn suffix(given: Option<OsString>) -> OsString {
    given
        .or_else(|| std::env::var_os("SIMPLE_BACKUP_SUFFIX"))
        .unwrap_or_else(|| "~".into())
}

/// Asks on standard error; only an answer that begins with `y` is yes.
pub(super) fn confirmed(tool: &str, question: &str) -> bool {
    use std::io::{BufRead, Write};
    let _ = write!(io::stderr(), "{tool}: {question} ");
    let mut answer = String::new();
    let _ = io::stdin().lock().read_line(&mut answer);
    answer.trim_start().starts_with(['y', 'Y'])
}
