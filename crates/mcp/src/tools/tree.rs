//! Directories and attributes: `list_directory`, `stat`, `move`, `remove`, `make_directory`.

use super::{Call, Effect, Entry, Reply, absolute, entry};
use crate::computer;
use crate::failure::{Exceeded, Failure};
use crate::limits::{ENTRIES, bounded};
use agentos::EntryKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Levels below a directory that one listing can show.
const DEPTH_MAX: u64 = 64;

pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry(
            "list_directory",
            "List a directory",
            "List a directory of the VM, and with depth what is in its directories. Links are not followed.",
            Effect::Reads,
            list,
        ),
        entry(
            "stat",
            "Look at a file",
            "Say what a path of the VM leads to: kind, size, mode, owner and time of the last change.",
            Effect::Reads,
            stat,
        ),
        entry(
            "move",
            "Move a file",
            "Move or rename a file or directory of the VM. A file that is at the new place is replaced.",
            Effect::Changes,
            rename,
        ),
        entry(
            "remove",
            "Remove a file",
            "Remove a file or an empty directory of the VM; with recursive a directory with all it holds.",
            Effect::Changes,
            remove,
        ),
        entry(
            "make_directory",
            "Make a directory",
            "Make a directory of the VM and the directories above it; one that exists is no error.",
            Effect::Adds,
            mkdir,
        ),
    ]
}

/// What an entry is.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    File,
    Directory,
    Symlink,
    Other,
}

impl From<EntryKind> for Kind {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::File => Self::File,
            EntryKind::Directory => Self::Directory,
            EntryKind::Symlink => Self::Symlink,
            _ => Self::Other,
        }
    }
}

/// An entry of a listing.
#[derive(Serialize, JsonSchema)]
pub(super) struct Item {
    /// Absolute path.
    pub(super) path: String,
    /// What it is.
    pub(super) kind: Kind,
    /// Size in bytes.
    pub(super) size: u64,
}

impl Item {
    pub(super) fn new(entry: computer::Entry) -> Self {
        Self {
            path: entry.path,
            kind: entry.kind.into(),
            size: entry.size,
        }
    }

    /// A line for people, as `ls -F` marks names.
    pub(super) fn line(&self) -> String {
        match self.kind {
            Kind::Directory => format!("{}/", self.path),
            Kind::Symlink => format!("{}@", self.path),
            _ => format!("{} ({} bytes)", self.path, self.size),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct List {
    /// Directory; the VM's working directory unless given.
    path: Option<String>,
    /// Levels below the directory's own entries; 0 unless given.
    #[schemars(range(max = 64))]
    depth: Option<u64>,
    /// Names of directories that are left out, for example "node_modules".
    exclude: Option<Vec<String>>,
    /// Entries that are returned; 1000 unless given.
    #[schemars(range(min = 1))]
    max_entries: Option<u64>,
}

/// What is in a directory.
#[derive(Serialize, JsonSchema)]
struct Listed {
    /// Absolute path of the directory.
    path: String,
    /// Its entries, sorted by level and name.
    entries: Vec<Item>,
    /// The bound for which the rest is missing, if some is.
    #[serde(skip_serializing_if = "Option::is_none")]
    truncated: Option<Exceeded>,
}

async fn list(call: Call, input: List) -> Result<Reply<Listed>, Failure> {
    let path = absolute(&call, "path", input.path.as_deref().unwrap_or("."))?;
    let (asked, cap) = (input.max_entries, call.limits.max_entries);
    let most = bounded("maxEntries", "mcp.maxEntries", asked, ENTRIES, cap)?;
    let depth = usize::try_from(input.depth.unwrap_or(0).min(DEPTH_MAX)).unwrap_or(0);
    let found = call
        .vm
        .list(path.clone(), depth, input.exclude.unwrap_or_default())
        .await?;
    let (entries, truncated) = first(found, most, "maxEntries");
    let text = lines(&entries, truncated.as_ref(), "the directory is empty");
    let value = Listed {
        path,
        entries,
        truncated,
    };
    Ok(Reply::text(text, value))
}

/// So many of the entries, and the bound if there are more.
pub(super) fn first(found: Vec<computer::Entry>, most: u64, limit: &'static str) -> (Vec<Item>, Option<Exceeded>) {
    let observed = found.len() as u64;
    let kept = usize::try_from(most).unwrap_or(usize::MAX);
    let truncated = (observed > most).then(|| Exceeded::new(limit, observed, most, "entries"));
    (found.into_iter().take(kept).map(Item::new).collect(), truncated)
}

/// A listing for people.
pub(super) fn lines(entries: &[Item], truncated: Option<&Exceeded>, none: &str) -> String {
    if entries.is_empty() {
        return none.to_owned();
    }
    let mut lines: Vec<String> = entries.iter().map(Item::line).collect();
    lines.extend(truncated.map(|cut| format!("[{cut}; the rest is left out]")));
    lines.join("\n")
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Look {
    /// Path, absolute or below the VM's working directory.
    path: String,
    /// Follow a link at the end of the path; true unless given.
    follow: Option<bool>,
}

/// What a path leads to.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Looked {
    /// Absolute path.
    path: String,
    /// What is there.
    kind: Kind,
    /// Size in bytes.
    size: u64,
    /// Permission bits, in octal.
    mode: String,
    /// Owner.
    uid: u32,
    /// Group.
    gid: u32,
    /// Hard links.
    nlink: u32,
    /// Last change of the content, ms since the epoch.
    modified_ms: i64,
}

async fn stat(call: Call, input: Look) -> Result<Reply<Looked>, Failure> {
    let path = absolute(&call, "path", &input.path)?;
    let found = call.vm.stat(path.clone(), input.follow != Some(false)).await?;
    let value = Looked {
        path,
        kind: found.kind.into(),
        size: found.size,
        mode: format!("{:04o}", found.mode),
        uid: found.uid,
        gid: found.gid,
        nlink: found.nlink,
        modified_ms: found.modified_ms,
    };
    let kind = serde_json::to_value(value.kind).unwrap_or_default();
    let (path, size, mode) = (&value.path, value.size, &value.mode);
    let text = format!(
        "{path}: {}, {size} bytes, mode {mode}",
        kind.as_str().unwrap_or_default()
    );
    Ok(Reply::text(text, value))
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Move {
    /// Path of what is moved.
    from: String,
    /// Its new path, not the directory that it is to be in.
    to: String,
}

/// What was moved.
#[derive(Serialize, JsonSchema)]
struct Moved {
    /// Absolute path where it was.
    from: String,
    /// Absolute path where it is.
    to: String,
}

async fn rename(call: Call, input: Move) -> Result<Reply<Moved>, Failure> {
    let (from, to) = (absolute(&call, "from", &input.from)?, absolute(&call, "to", &input.to)?);
    call.vm.rename(from.clone(), to.clone()).await?;
    Ok(Reply::text(format!("moved {from} to {to}"), Moved { from, to }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Remove {
    /// Path, absolute or below the VM's working directory.
    path: String,
    /// Remove a directory with all it holds.
    recursive: Option<bool>,
}

/// The path that a call was about.
#[derive(Serialize, JsonSchema)]
struct Done {
    /// Absolute path.
    path: String,
}

async fn remove(call: Call, input: Remove) -> Result<Reply<Done>, Failure> {
    let path = absolute(&call, "path", &input.path)?;
    call.vm.remove(path.clone(), input.recursive == Some(true)).await?;
    Ok(Reply::text(format!("removed {path}"), Done { path }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Make {
    /// Path, absolute or below the VM's working directory.
    path: String,
}

async fn mkdir(call: Call, input: Make) -> Result<Reply<Done>, Failure> {
    let path = absolute(&call, "path", &input.path)?;
    call.vm.mkdir(path.clone(), true).await?;
    Ok(Reply::text(format!("made {path}"), Done { path }))
}
