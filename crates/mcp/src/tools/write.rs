//! `write_file`.

use super::process::decoded;
use super::{Call, Effect, Entry, Reply, absolute, entry};
use crate::failure::Failure;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn entries() -> Vec<Entry> {
    vec![entry(
        "write_file",
        "Write a file",
        "Create a file of the VM or replace its content; missing directories are made. Give text as `content`, anything \
         else as `base64`. To change a part of a file use edit_file.",
        Effect::Changes,
        write,
    )]
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Write {
    /// Path, absolute or below the VM's working directory.
    path: String,
    /// The content, as text.
    content: Option<String>,
    /// The content, as base64.
    base64: Option<String>,
    /// Add to the end of the file in place of replacing it.
    append: Option<bool>,
}

/// A file that was written.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Written {
    /// Absolute path.
    path: String,
    /// Bytes that were written.
    bytes: u64,
    /// Whether they were added to the end.
    appended: bool,
}

async fn write(call: Call, input: Write) -> Result<Reply<Written>, Failure> {
    let path = absolute(&call, "path", &input.path)?;
    let content = match (input.content, input.base64) {
        (Some(_), Some(_)) => {
            return Err(Failure::argument(
                "base64",
                "content is given as well; give one of the two",
            ));
        }
        (Some(text), None) => Bytes::from(text),
        (None, Some(text)) => decoded("base64", &text)?,
        (None, None) => {
            return Err(Failure::argument(
                "content",
                "is missing; give content, a text, or base64",
            ));
        }
    };
    let bytes = content.len() as u64;
    let _alone = call.editing.lock().await;
    if let Some((parent, _)) = path.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) {
        // Whoever may write a file need not be allowed to make its directory again.
        if call.vm.stat(parent.to_owned(), true).await.is_err() {
            call.vm.mkdir(parent.to_owned(), true).await?;
        }
    }
    let appended = input.append == Some(true);
    match appended {
        true => call.vm.append(path.clone(), content).await?,
        false => call.vm.write(path.clone(), content).await?,
    }
    let verb = if appended { "appended" } else { "wrote" };
    let text = format!("{verb} {bytes} bytes: {path}");
    Ok(Reply::text(text, Written { path, bytes, appended }))
}
