//! `edit_file`: exact replacements, all or none.
//!
//! The text to replace has to stand in the file exactly once, so that an edit that was meant for another place, or for an
//! older content, is refused and not made somewhere. The file is read and written once; calls of one server do not come
//! between.

use super::{Call, Effect, Entry, Reply, absolute, entry};
use crate::failure::{Exceeded, Failure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn entries() -> Vec<Entry> {
    vec![entry(
        "edit_file",
        "Edit a file",
        "Replace exact pieces of a text file of the VM. Every oldText must stand in the file exactly once, unless \
         replaceAll is set; include the lines around it where needed. The edits are made in their order, all or none.",
        Effect::Changes,
        edit,
    )]
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Edit {
    /// Path, absolute or below the VM's working directory.
    path: String,
    /// The replacements.
    #[schemars(length(min = 1, max = 100))]
    edits: Vec<Replacement>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Replacement {
    /// What stands there, exactly.
    #[schemars(length(min = 1))]
    old_text: String,
    /// What is to stand there.
    new_text: String,
    /// Replace it wherever it stands.
    replace_all: Option<bool>,
}

/// A file that was edited.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Edited {
    /// Absolute path.
    path: String,
    /// Replacements that were made.
    replacements: u64,
    /// Line of the first one, counted from 1.
    first_line: u64,
    /// Size of the file now.
    size: u64,
}

async fn edit(call: Call, input: Edit) -> Result<Reply<Edited>, Failure> {
    let path = absolute(&call, "path", &input.path)?;
    let _alone = call.editing.lock().await;
    let (size, cap) = (call.vm.stat(path.clone(), true).await?.size, call.limits.max_edit_bytes);
    if size > cap {
        return Err(Exceeded::new("mcp.maxEditBytes", size, cap, "path").into());
    }
    let data = call.vm.read(path.clone(), 0, cap).await?;
    let text = std::str::from_utf8(&data).map_err(|error| {
        let problem = format_args!("{path} is no text: byte {} is not UTF-8", error.valid_up_to());
        Failure::argument("path", problem)
    })?;
    let (text, replacements, first_line) = replaced(text, &input.edits, cap)?;
    let size = text.len() as u64;
    call.vm.write(path.clone(), text.into()).await?;
    let told = format!("made {replacements} replacements from line {first_line}: {path}");
    let value = Edited {
        path,
        replacements,
        first_line,
        size,
    };
    Ok(Reply::text(told, value))
}

/// Makes the edits; the new text, how many replacements there were, and the line of the first.
fn replaced(text: &str, edits: &[Replacement], cap: u64) -> Result<(String, u64, u64), Failure> {
    let mut text = text.to_owned();
    let (mut count, mut first) = (0, None);
    for (index, edit) in edits.iter().enumerate() {
        let field = format!("edits[{index}].oldText");
        let places = text.matches(&edit.old_text).count() as u64;
        let all = edit.replace_all == Some(true);
        let Some(at) = text.find(&edit.old_text) else {
            return Err(Failure::argument(field, missing(&text, &edit.old_text)));
        };
        if places > 1 && !all {
            let problem = format_args!("stands {places} times in the file; add what is around it, or set replaceAll");
            return Err(Failure::argument(field, problem));
        }
        let removed = (edit.old_text.len() as u64).saturating_mul(places);
        let added = (edit.new_text.len() as u64).saturating_mul(places);
        let size = (text.len() as u64).saturating_sub(removed).saturating_add(added);
        if size > cap {
            return Err(Exceeded::new("mcp.maxEditBytes", size, cap, format!("edits[{index}].newText")).into());
        }
        let line = text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() as u64 + 1;
        first.get_or_insert(line);
        text = text.replace(&edit.old_text, &edit.new_text);
        count += places;
    }
    Ok((text, count, first.unwrap_or(1)))
}

/// What to say of a text that does not stand in the file: most often only its blanks are others.
fn missing(text: &str, old: &str) -> String {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let wanted = squeezed(old);
    let first = old
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    let line = text
        .lines()
        .position(|line| !first.is_empty() && line.trim() == first)
        .map(|at| at + 1);
    match (squeezed(text).contains(&wanted) && !wanted.is_empty(), line) {
        (true, Some(line)) => format!("does not stand in the file as given; line {line} differs in blanks only"),
        (true, None) => "does not stand in the file as given; there is a place that differs in blanks only".to_owned(),
        (false, Some(line)) => format!("does not stand in the file; its first line does, in line {line}"),
        (false, None) => "does not stand in the file; read it again".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(text: &str, edits: &[(&str, &str, bool)]) -> Result<(String, u64, u64), String> {
        let edit = |(old, new, all): &(&str, &str, bool)| Replacement {
            old_text: (*old).to_owned(),
            new_text: (*new).to_owned(),
            replace_all: Some(*all),
        };
        let edits: Vec<Replacement> = edits.iter().map(edit).collect();
        replaced(text, &edits, 1000).map_err(|failure| failure.message)
    }

    #[test]
    fn what_stands_once_is_replaced() {
        let made = make("a\nb\nc\n", &[("b\n", "x\ny\n", false), ("y", "z", false)]);
        assert_eq!(made, Ok(("a\nx\nz\nc\n".to_owned(), 2, 2)));
        assert_eq!(make("aXbXc", &[("X", "", true)]), Ok(("abc".to_owned(), 2, 1)));
    }

    #[test]
    fn what_stands_elsewhere_or_nowhere_is_refused_with_the_reason() {
        let refused = |text: &str, old: &str| make(text, &[(old, "", false)]).unwrap_err();
        assert!(refused("aXbX", "X").contains("edits[0].oldText: stands 2 times"));
        assert!(refused("  let a = 1;\n", "let  a = 1;").contains("differs in blanks only"));
        assert!(refused("one\ntwo\n", "two\nthree").contains("its first line does, in line 2"));
        assert!(refused("", "x").contains("read it again"));
    }

    #[test]
    fn replacements_cannot_grow_a_file_beyond_the_bound() {
        let text = "x".repeat(100);
        let refused = make(&text, &[("x", "0123456789abcdef", true)]).unwrap_err();
        assert!(
            refused.contains("edits[0].newText: 1600 is more than mcp.maxEditBytes allows, which is 1000"),
            "{refused}"
        );
    }
}
