//! Completing paths for people who type the URI of a file, and what the program around the server completes.

use crate::additions::{Prompt, Resources};
use crate::arguments::nearest;
use crate::computer::Computer;
use agentos::EntryKind;
use rmcp::ErrorData;
use rmcp::model::{ArgumentInfo, CompleteResult, CompletionInfo, Reference};

/// The values that `argument` of a template or a prompt can have, as far as they begin with what was typed.
pub(crate) async fn complete(
    (vm, own, prompts): (&dyn Computer, &Resources, &[Prompt]),
    reference: &Reference,
    argument: &ArgumentInfo,
) -> Result<CompleteResult, ErrorData> {
    let (name, typed) = (&argument.name, &argument.value);
    let completion = match reference {
        Reference::Resource(template) if template.uri.starts_with("file:///") && name == "path" => {
            return Ok(CompleteResult::new(paths(vm, typed).await));
        }
        Reference::Resource(template) => own.completes(&template.uri, name).ok_or_else(|| {
            let uri = &template.uri;
            format!("ref: file:///{{+path}} with its argument path can be completed, not {name:?} of {uri:?}")
        }),
        Reference::Prompt(reference) => {
            let prompt = prompt(prompts, &reference.name)?;
            let problem = || format!("argument: {name:?} is no argument of {}", reference.name);
            prompt.completes(name).ok_or_else(problem)
        }
        _ => Err("ref: expected a prompt or the template of a resource".to_owned()),
    };
    let completion = completion.map_err(|text| ErrorData::invalid_params(text, None))?;
    let values = match completion {
        Some(completion) => completion.values(typed).await,
        None => Vec::new(),
    };
    Ok(CompleteResult::new(first(values)))
}

/// The prompt of this name, or what to say about it.
pub(crate) fn prompt<'a>(prompts: &'a [Prompt], name: &str) -> Result<&'a Prompt, ErrorData> {
    let found = prompts.iter().find(|prompt| prompt.name == name);
    found.ok_or_else(|| {
        let text = match nearest(name, prompts.iter().map(|prompt| prompt.name.as_str())) {
            Some(near) => format!("Unknown prompt: {name}; did you mean {near}?"),
            None if prompts.is_empty() => "ref: this server has no prompts".to_owned(),
            None => format!("Unknown prompt: {name}"),
        };
        ErrorData::invalid_params(text, None)
    })
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
    first(fits.collect())
}

/// As many values as the protocol lets stand in one answer.
fn first(mut values: Vec<String>) -> CompletionInfo {
    let all = values.len();
    values.truncate(CompletionInfo::MAX_VALUES);
    let more = values.len() < all;
    CompletionInfo::with_pagination(values, u32::try_from(all).ok(), more).unwrap_or_default()
}
