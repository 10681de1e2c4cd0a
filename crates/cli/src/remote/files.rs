//! `ls`, `cat`, `rm`.

use super::args::{CatArgs, ListArgs, RemoveArgs};
use crate::error::{Error, Exit};
use crate::report;
use agentos_client::Value;
use serde::Deserialize;
use serde_json::json;

/// One entry of a listing.
#[derive(Deserialize)]
pub(super) struct Entry {
    pub(super) path: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) size: u64,
}

/// Prints what is in a directory.
pub(super) async fn list(args: &ListArgs) -> Result<Exit, Error> {
    let vm = super::vm(&args.target).await?;
    let options = Value::object([("maxDepth", Value::Int(0))]);
    let mut entries: Vec<Entry> = vm
        .call_as("readdirRecursive", &[Value::from(args.path.clone()), options])
        .await?;
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    if args.target.json {
        let rows = entries
            .iter()
            .map(|entry| json!({"path": entry.path, "type": entry.kind, "size": entry.size}));
        report::json(&json!(rows.collect::<Vec<_>>()))?;
        return Ok(Exit::SUCCESS);
    }
    let mut text = String::new();
    for entry in &entries {
        let name = entry.path.rsplit('/').next().unwrap_or(&entry.path).escape_debug();
        let mark = match entry.kind.as_str() {
            "directory" => "/",
            "symlink" => "@",
            _ => "",
        };
        text.push_str(&format!("{:>10} {name}{mark}\n", entry.size));
    }
    report::text(&text)?;
    Ok(Exit::SUCCESS)
}

/// Prints files.
pub(super) async fn cat(args: &CatArgs) -> Result<Exit, Error> {
    let vm = super::vm(&args.target).await?;
    for path in &args.paths {
        report::bytes(&vm.read_file(path).await?)?;
    }
    Ok(Exit::SUCCESS)
}

/// Removes files.
pub(super) async fn remove(args: &RemoveArgs) -> Result<Exit, Error> {
    let vm = super::vm(&args.target).await?;
    for path in &args.paths {
        vm.remove(path, args.recursive).await?;
    }
    Ok(Exit::SUCCESS)
}
