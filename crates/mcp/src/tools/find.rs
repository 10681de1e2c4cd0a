//! `find_files`: paths that match a pattern.

use super::glob::Glob;
use super::tree::{Item, first, lines};
use super::{Call, Effect, Entry, Reply, absolute, entry};
use crate::failure::{Exceeded, Failure};
use crate::limits::{ENTRIES, bounded};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Levels that are searched.
const DEPTH_MAX: usize = 64;

pub(super) fn entries() -> Vec<Entry> {
    vec![entry(
        "find_files",
        "Find files by pattern",
        "Find files and directories of the VM whose path below a directory matches a pattern: * and ? match within a name, \
         ** matches any directories, [abc] one of some characters, {a,b} one of some texts. To search in files run rg or grep \
         with exec.",
        Effect::Reads,
        find,
    )]
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Find {
    /// Pattern, for example "**/*.rs"; one without a slash matches names in every directory.
    #[schemars(length(min = 1, max = 1024))]
    pattern: String,
    /// Where to search; the VM's working directory unless given.
    path: Option<String>,
    /// Names of directories that are left out, for example "node_modules".
    exclude: Option<Vec<String>>,
    /// Matches that are returned; 1000 unless given.
    #[schemars(range(min = 1))]
    max_entries: Option<u64>,
}

/// What was found.
#[derive(Serialize, JsonSchema)]
struct Found {
    /// Absolute path of the directory that was searched.
    path: String,
    /// What matches, sorted by level and name.
    entries: Vec<Item>,
    /// The bound for which the rest is missing, if some is.
    #[serde(skip_serializing_if = "Option::is_none")]
    truncated: Option<Exceeded>,
}

async fn find(call: Call, input: Find) -> Result<Reply<Found>, Failure> {
    let path = absolute(&call, "path", input.path.as_deref().unwrap_or("."))?;
    let (asked, cap) = (input.max_entries, call.limits.max_entries);
    let most = bounded("maxEntries", "mcp.maxEntries", asked, ENTRIES, cap)?;
    let glob = Glob::new(&input.pattern).map_err(|problem| Failure::argument("pattern", problem))?;
    let mut found = call
        .vm
        .list(path.clone(), DEPTH_MAX, input.exclude.unwrap_or_default())
        .await?;
    let base = if path == "/" { "" } else { &path };
    found.retain(|entry| {
        let below = entry.path.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
        below.is_some_and(|below| glob.matches(below))
    });
    let (entries, truncated) = first(found, most, "maxEntries");
    let text = lines(&entries, truncated.as_ref(), "nothing matches");
    let value = Found {
        path,
        entries,
        truncated,
    };
    Ok(Reply::text(text, value))
}
