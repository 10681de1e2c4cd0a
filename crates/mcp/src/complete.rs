//! Completing paths for people who type the URI of a file.

use crate::computer::Computer;
use agentos::EntryKind;
use rmcp::ErrorData;
use rmcp::model::{ArgumentInfo, CompleteResult, CompletionInfo, Reference};

/// The values that `argument` of the template can have, as far as they begin with what was typed.
pub(crate) async fn complete(
    vm: &dyn Computer,
    reference: &Reference,
    argument: &ArgumentInfo,
) -> Result<CompleteResult, ErrorData> {
    match reference {
        Reference::Resource(template) if template.uri.starts_with("file:///") && argument.name == "path" => {
            Ok(CompleteResult::new(paths(vm, &argument.value).await))
        }
        Reference::Resource(template) => {
            let (uri, name) = (&template.uri, &argument.name);
            let text =
                format!("ref: file:///{{+path}} with its argument path can be completed, not {name:?} of {uri:?}");
            Err(ErrorData::invalid_params(text, None))
        }
        _ => Err(ErrorData::invalid_params("ref: this server has no prompts", None)),
    }
}

/// Paths without their first slash; those of directories end with one.
async fn paths(vm: &dyn Computer, typed: &str) -> CompletionInfo {
    let (folder, start) = typed.rsplit_once('/').unwrap_or(("", typed));
    let path = match folder.is_empty() {
        true => "/".to_owned(),
        false => format!("/{folder}"),
    };
    // What cannot be listed has no completions.
    let entries = vm.list(path, 0, Vec::new()).await.unwrap_or_default();
    let fits = entries.into_iter().filter_map(|entry| {
        let path = entry.path.strip_prefix('/')?;
        let name = path.rsplit('/').next()?;
        let end = if entry.kind == EntryKind::Directory { "/" } else { "" };
        name.starts_with(start).then(|| format!("{path}{end}"))
    });
    let mut values: Vec<String> = fits.collect();
    let all = values.len();
    values.truncate(CompletionInfo::MAX_VALUES);
    let more = values.len() < all;
    CompletionInfo::with_pagination(values, u32::try_from(all).ok(), more).unwrap_or_default()
}
