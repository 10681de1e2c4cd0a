//! Actions on files (api.md section 4.1).

use super::args::{Arg, Args, Result};
use super::{Action, Call, awake};
use crate::errors::{from_sdk, number};
use crate::machine::Machine;
use crate::shapes;
use agentos::{AgentOs, ListOptions};
use agentos_value::{ActorError, Object, Value};
use bytes::Bytes;
use std::sync::Arc;

/// The actions of this group.
pub(super) const ACTIONS: &[Action] = &[
    awake!("readFile", read_file),
    awake!("writeFile", write_file),
    awake!("readFiles", read_files),
    awake!("writeFiles", write_files),
    awake!("mkdir", mkdir),
    awake!("readdir", readdir),
    awake!("readdirRecursive", readdir_recursive),
    awake!("stat", stat),
    awake!("exists", exists),
    awake!("move", relocate),
    awake!("deleteFile", delete),
    awake!("delete", delete),
];

/// Largest offset or length that a client can write.
const MAX_OFFSET: u64 = (1 << 53) - 1;
/// Deepest level that can be asked for; the listing itself stops earlier.
const MAX_DEPTH: u64 = 1 << 20;

async fn read_file(Call { machine, mut args, .. }: Call) -> Result<Value> {
    let path = args.next("path").text()?;
    let mut options = args.options(&["offset", "length"])?;
    args.end()?;
    let offset = options.integer("offset", 0..=MAX_OFFSET)?;
    let length = options.integer("length", 0..=MAX_OFFSET)?;
    let most = machine.most_outgoing();
    if let Some(length) = length.filter(|length| *length > most) {
        return Err(too_large(&path, length, most));
    }
    let content = match (offset, length) {
        (None, None) => whole(&machine, &path, most).await?,
        (offset, length) => {
            let offset = offset.unwrap_or(0);
            let length = match length {
                Some(length) => length,
                None => rest_after(&machine.vm, &path, offset, most).await?,
            };
            machine
                .vm
                .read_file_with(&path, offset, Some(length), machine.memory.buffer)
                .await
                .map_err(from_sdk)?
        }
    };
    if content.len() as u64 > most {
        return Err(too_large(&path, content.len() as u64, most));
    }
    Ok(Value::Bytes(machine.memory.give(content)))
}

/// A whole file, unless its size says that no client could receive it.
async fn whole(machine: &Machine, path: &str, most: u64) -> Result<Bytes> {
    match machine.vm.stat(path).await {
        Ok(stat) if stat.size > most => Err(too_large(path, stat.size, most)),
        // A file that can be read and not be looked at is read; whatever else is wrong, reading will say.
        _ => machine
            .vm
            .read_file_with(path, 0, None, machine.memory.buffer)
            .await
            .map_err(from_sdk),
    }
}

async fn rest_after(vm: &AgentOs, path: &str, offset: u64, most: u64) -> Result<u64> {
    let size = vm.stat(path).await.map_err(from_sdk)?.size;
    let rest = size.saturating_sub(offset);
    match rest > most {
        true => Err(too_large(path, rest, most)),
        false => Ok(rest),
    }
}

fn too_large(path: &str, observed: u64, most: u64) -> ActorError {
    let message = format!(
        "{path}: {observed} bytes are more than one message holds ({most}); read it in ranges: readFile(path, {{ offset, length }})"
    );
    ActorError::actor("message_too_large", message).with_metadata(Value::object([
        ("observed", number(observed)),
        ("capacity", number(most)),
        ("configurationPath", Value::from("limits.server.maxOutgoingMessageSize")),
    ]))
}

async fn write_file(Call { machine, mut args, .. }: Call) -> Result<Value> {
    let path = args.next("path").text()?;
    let content = args.next("content").content()?;
    let mut options = args.options(&["append"])?;
    args.end()?;
    match options.flag("append")? {
        true => machine.vm.append_file(&path, &content).await.map_err(from_sdk)?,
        false if (machine.memory.keeps)(&content) => {
            machine.vm.write_file_shared(&path, content).await.map_err(from_sdk)?;
        }
        false => machine.vm.write_file_owned(&path, content).await.map_err(from_sdk)?,
    }
    settled(&machine).await
}

async fn read_files(Call { machine, mut args, .. }: Call) -> Result<Value> {
    let paths = args.next("paths").texts()?;
    args.end()?;
    let mut left = machine.most_outgoing();
    let mut outcomes = Vec::with_capacity(paths.len());
    for path in paths {
        let content = whole(&machine, &path, left).await;
        let mut outcome = Object::new();
        outcome.insert("path", path);
        match content {
            Ok(content) => {
                left = left.saturating_sub(content.len() as u64);
                outcome.insert("content", Value::Bytes(machine.memory.give(content)));
            }
            Err(error) => {
                outcome.insert("content", Value::Null);
                failed(&mut outcome, error);
            }
        }
        outcomes.push(Value::Object(outcome));
    }
    Ok(Value::Array(outcomes))
}

async fn write_files(Call { machine, mut args, .. }: Call) -> Result<Value> {
    let mut files = Vec::new();
    for file in args.next("files").items()? {
        let mut file = file.members(&["path", "content"])?;
        files.push((file.need("path").text()?, file.need("content").content()?));
    }
    args.end()?;
    let outcomes = machine.vm.write_files(files).await;
    machine.durable.settled().await?;
    let shown = outcomes.into_iter().map(|outcome| {
        let mut object = Object::new();
        object.insert("path", outcome.path);
        object.insert("success", outcome.result.is_ok());
        if let Err(error) = outcome.result {
            failed(&mut object, from_sdk(error));
        }
        Value::Object(object)
    });
    Ok(Value::Array(shown.collect()))
}

fn failed(outcome: &mut Object, error: ActorError) {
    outcome.insert("error", error.message);
    outcome.insert("code", error.code.into_owned());
}

async fn mkdir(Call { machine, mut args, .. }: Call) -> Result<Value> {
    let path = args.next("path").text()?;
    let mut options = args.options(&["recursive"])?;
    args.end()?;
    match options.flag("recursive")? {
        true => machine.vm.mkdir_all(&path).await.map_err(from_sdk)?,
        false => machine.vm.mkdir(&path).await.map_err(from_sdk)?,
    }
    settled(&machine).await
}

async fn readdir(call: Call) -> Result<Value> {
    let (machine, path) = only_path(call)?;
    Ok(machine.vm.read_dir(&path).await.map_err(from_sdk)?.into())
}

async fn readdir_recursive(Call { machine, mut args, .. }: Call) -> Result<Value> {
    let path = args.next("path").text()?;
    let mut given = args.options(&["maxDepth", "exclude"])?;
    args.end()?;
    let mut options = ListOptions::default();
    if let Some(depth) = given.integer("maxDepth", 0..=MAX_DEPTH)? {
        options = options.max_depth(usize::try_from(depth).unwrap_or(usize::MAX));
    }
    for name in given.take("exclude").map_or_else(|| Ok(Vec::new()), Arg::texts)? {
        options = options.exclude(name);
    }
    let entries = machine.vm.read_dir_recursive(&path, options).await.map_err(from_sdk)?;
    Ok(Value::Array(entries.into_iter().map(shapes::entry).collect()))
}

async fn stat(call: Call) -> Result<Value> {
    let (machine, path) = only_path(call)?;
    Ok(shapes::stat(&machine.vm.stat(&path).await.map_err(from_sdk)?))
}

async fn exists(call: Call) -> Result<Value> {
    let (machine, path) = only_path(call)?;
    Ok(Value::Bool(machine.vm.exists(&path).await.map_err(from_sdk)?))
}

async fn relocate(Call { machine, mut args, .. }: Call) -> Result<Value> {
    let (from, to) = (args.next("from").text()?, args.next("to").text()?);
    args.end()?;
    machine.vm.rename(&from, &to).await.map_err(from_sdk)?;
    settled(&machine).await
}

async fn delete(Call { machine, mut args, .. }: Call) -> Result<Value> {
    let path = args.next("path").text()?;
    let mut options = args.options(&["recursive"])?;
    args.end()?;
    match options.flag("recursive")? {
        true => machine.vm.remove_all(&path).await.map_err(from_sdk)?,
        false => machine.vm.remove(&path).await.map_err(from_sdk)?,
    }
    settled(&machine).await
}

fn only_path(Call { machine, mut args, .. }: Call) -> Result<(Arc<Machine>, String)> {
    let path = args.next("path").text()?;
    Args::end(args)?;
    Ok((machine, path))
}

/// What was written on persistent paths is durable before the client hears of it.
async fn settled(machine: &Machine) -> Result<Value> {
    machine.durable.settled().await?;
    Ok(Value::Undefined)
}
