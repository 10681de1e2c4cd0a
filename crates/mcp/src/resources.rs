//! Files of the VM as resources.
//!
//! What is listed are the files below the VM's working directory, a page at a time; every other file that the policy lets a
//! client read can be named by its URI. A cursor is the path after which a page begins: the tree is listed anew for each, so
//! that it needs no memory of the server's, and a file that vanished meanwhile makes no page invalid.

use crate::additions::Resources;
use crate::computer::{Attributes, Computer, Entry};
use crate::failure::{Exceeded, Failure};
use crate::limits::Limits;
use crate::tools::text_of;
use crate::{media, uri};
use agentos::EntryKind;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rmcp::ErrorData;
use rmcp::model::{
    ListResourceTemplatesResult, ListResourcesResult, ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
};
use serde_json::json;

/// Resources of one page.
const PAGE: usize = 100;

/// Levels below the working directory that are listed.
const DEPTH_MAX: usize = 64;

/// One page of the files.
pub(crate) async fn list(
    vm: &dyn Computer,
    own: &Resources,
    cursor: Option<&str>,
) -> Result<ListResourcesResult, ErrorData> {
    let after = cursor.map(position).transpose()?;
    let mut files = vm
        .list(vm.cwd(), DEPTH_MAX, Vec::new())
        .await
        .map_err(|failure| refused(&failure))?;
    files.retain(|entry| entry.kind == EntryKind::File);
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let first = after.map_or(0, |after| files.partition_point(|entry| entry.path <= after));
    let page: Vec<&Entry> = files.iter().skip(first).take(PAGE).collect();
    let more = first + page.len() < files.len();
    let next = page
        .last()
        .filter(|_| more)
        .map(|last| URL_SAFE_NO_PAD.encode(&last.path));
    // Those of the program are few, and come first.
    let own = own.listed().filter(|_| cursor.is_none());
    let mut result = ListResourcesResult::with_all_items(own.chain(page.into_iter().map(resource)).collect());
    result.next_cursor = next;
    Ok(result)
}

fn position(cursor: &str) -> Result<String, ErrorData> {
    let decoded = URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or_else(|| ErrorData::invalid_params("cursor: expected the nextCursor of a result", None))
}

fn resource(entry: &Entry) -> Resource {
    let name = entry.path.rsplit('/').next().unwrap_or(&entry.path);
    let resource = Resource::new(uri::of(&entry.path), name).with_size(entry.size);
    match media::by_name(&entry.path) {
        Some(kind) => resource.with_mime_type(kind),
        None => resource,
    }
}

/// How every file of the VM can be named.
pub(crate) fn templates(own: &Resources) -> ListResourceTemplatesResult {
    let file = ResourceTemplate::new("file:///{+path}", "file")
        .with_title("A file of the VM")
        .with_description("The file or directory at this absolute path of the VM, without its first slash");
    ListResourceTemplatesResult::with_all_items(std::iter::once(file).chain(own.templates()).collect())
}

/// The content of a file, or the names in a directory.
pub(crate) async fn read(
    vm: &dyn Computer,
    own: &Resources,
    limits: &Limits,
    uri: &str,
) -> Result<ReadResourceResult, ErrorData> {
    if let Some(contents) = own.read(uri).await {
        let contents = contents.map_err(|failure| missing(uri, &failure))?;
        return Ok(ReadResourceResult::new(vec![contents]));
    }
    let path = parsed(uri)?;
    let attributes = look(vm, uri, &path).await?;
    let contents = match attributes.kind {
        EntryKind::Directory => directory(vm, limits, uri, path).await,
        _ => file(vm, limits, uri, path, attributes.size).await,
    };
    Ok(ReadResourceResult::new(vec![
        contents.map_err(|failure| missing(uri, &failure))?,
    ]))
}

/// The path that a URI names.
pub(crate) fn parsed(uri: &str) -> Result<String, ErrorData> {
    uri::path(uri).map_err(|problem| ErrorData::invalid_params(format!("uri: {problem}"), Some(json!({ "uri": uri }))))
}

/// Attributes of what a URI names.
pub(crate) async fn look(vm: &dyn Computer, uri: &str, path: &str) -> Result<Attributes, ErrorData> {
    vm.stat(path.to_owned(), true)
        .await
        .map_err(|failure| missing(uri, &failure))
}

async fn directory(vm: &dyn Computer, limits: &Limits, uri: &str, path: String) -> Result<ResourceContents, Failure> {
    let entries = vm.list(path, 0, Vec::new()).await?;
    let observed = entries.len() as u64;
    if observed > limits.max_entries {
        return Err(Exceeded::new("mcp.maxEntries", observed, limits.max_entries, "uri").into());
    }
    let lines: Vec<String> = entries.iter().map(|entry| uri::of(&entry.path)).collect();
    Ok(ResourceContents::text(lines.join("\n"), uri).with_mime_type("text/uri-list"))
}

async fn file(
    vm: &dyn Computer,
    limits: &Limits,
    uri: &str,
    path: String,
    size: u64,
) -> Result<ResourceContents, Failure> {
    let cap = limits.max_image_bytes;
    if size > cap {
        return Err(Exceeded::new("mcp.maxImageBytes", size, cap, "uri").into());
    }
    let data = vm.read(path.clone(), 0, cap).await?;
    let whole = text_of(&data, false).filter(|(_, text)| text.len() == data.len());
    let contents = match whole {
        Some((_, text)) => ResourceContents::text(text, uri),
        None => ResourceContents::blob(STANDARD.encode(&data), uri),
    };
    Ok(contents.with_mime_type(media::type_of(&path, whole.is_some())))
}

fn missing(uri: &str, failure: &Failure) -> ErrorData {
    match failure.code.as_str() {
        "ENOENT" | "ENOTDIR" => ErrorData::resource_not_found(failure.message.clone(), Some(json!({ "uri": uri }))),
        _ => refused(failure),
    }
}

/// A failure as an error of the protocol, for what is no call of a tool.
pub(crate) fn refused(failure: &Failure) -> ErrorData {
    let data = serde_json::to_value(failure).ok();
    match failure.code.as_str() {
        "internal_error" => ErrorData::internal_error(failure.message.clone(), data),
        _ => ErrorData::invalid_params(failure.message.clone(), data),
    }
}
