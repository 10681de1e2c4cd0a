//! Methods on files.

use crate::dispatch::{Bytes, arguments};
use crate::failure::Failure;
use crate::reply;
use crate::runtime::Call;
use agentos::{AgentOs, ListOptions};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    path: String,
    #[serde(default)]
    recursive: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    path: String,
    offset: Option<u64>,
    length: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Write {
    path: String,
    append: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    path: String,
    max_depth: Option<usize>,
    exclude: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    from: String,
    to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mode {
    path: String,
    mode: u32,
}

/// A call of a method, if it is one on files.
pub(super) fn call(vm: &AgentOs, method: &str, args: &str, data: &Bytes) -> Result<Option<Call>, Failure> {
    Ok(Some(match method {
        "read_file" => read(vm.clone(), arguments(args)?),
        "write_file" => write(vm.clone(), arguments(args)?, data.clone()),
        "readdir_recursive" => list(vm.clone(), arguments(args)?),
        "move" => {
            let (vm, Move { from, to }) = (vm.clone(), arguments(args)?);
            Box::pin(async move { Ok(vm.rename(from, to).await?.into()) })
        }
        "chmod" => {
            let (vm, Mode { path, mode }) = (vm.clone(), arguments(args)?);
            Box::pin(async move { Ok(vm.chmod(path, mode).await?.into()) })
        }
        "mkdir" | "readdir" | "stat" | "exists" | "delete" => one(vm.clone(), method, arguments(args)?),
        _ => return Ok(None),
    }))
}

fn read(vm: AgentOs, args: Read) -> Call {
    Box::pin(async move {
        let bytes = match (args.offset, args.length) {
            (None, None) => vm.read_file(args.path).await?,
            (offset, Some(length)) => vm.read_file_range(args.path, offset.unwrap_or(0), length).await?,
            (Some(offset), None) => {
                let rest = vm.stat(&args.path).await?.size.saturating_sub(offset);
                vm.read_file_range(args.path, offset, rest).await?
            }
        };
        Ok(bytes.into())
    })
}

fn write(vm: AgentOs, args: Write, content: Bytes) -> Call {
    Box::pin(async move {
        match args.append {
            true => vm.append_file(args.path, content).await?,
            false => vm.write_file(args.path, content).await?,
        }
        Ok(().into())
    })
}

fn list(vm: AgentOs, args: List) -> Call {
    let mut options = ListOptions::default();
    if let Some(depth) = args.max_depth {
        options = options.max_depth(depth);
    }
    for name in args.exclude {
        options = options.exclude(name);
    }
    Box::pin(async move {
        let entries = vm.read_dir_recursive(args.path, options).await?;
        Ok(entries.iter().map(reply::entry).collect::<Value>().into())
    })
}

/// Methods whose one argument is a path.
fn one(vm: AgentOs, method: &str, args: One) -> Call {
    let One { path, recursive } = args;
    match (method, recursive) {
        ("mkdir", true) => Box::pin(async move { Ok(vm.mkdir_all(path).await?.into()) }),
        ("mkdir", false) => Box::pin(async move { Ok(vm.mkdir(path).await?.into()) }),
        ("delete", true) => Box::pin(async move { Ok(vm.remove_all(path).await?.into()) }),
        ("delete", false) => Box::pin(async move { Ok(vm.remove(path).await?.into()) }),
        ("readdir", _) => Box::pin(async move { Ok(json!(vm.read_dir(path).await?).into()) }),
        ("exists", _) => Box::pin(async move { Ok(json!(vm.exists(path).await?).into()) }),
        _ => Box::pin(async move { Ok(reply::stat(&vm.stat(path).await?).into()) }),
    }
}
