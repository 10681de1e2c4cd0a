//! A request for permission: what an agent wants to do, as fields.

use super::span::{Color, Row, Span, Style};
use super::tool::{command_rows, diff, head};
use agentos::PermissionRequest;
use serde_json::Value;

/// The rows of a request, without the question. All of it is what the agent says.
pub(crate) fn rows(request: &PermissionRequest, columns: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    let what = [request.tool_kind.as_deref(), request.tool_name.as_deref()];
    let what: Vec<&str> = what.into_iter().flatten().collect();
    let title = request
        .description
        .as_deref()
        .unwrap_or("something that it does not describe");
    let head_row = Row(vec![
        Span::new(Style::color(Color::Yellow), "? "),
        Span::new(Style::BOLD, &what.join(" ")),
        Span::plain(if what.is_empty() { "" } else { " " }),
        Span::plain(head(title, 400)),
    ]);
    rows.extend(head_row.wrap(columns, &Row(vec![Span::plain("  ")])));
    for path in request.paths.iter().flatten().take(PATHS) {
        let row = Row(vec![Span::new(Style::DIM, "  path "), Span::plain(head(path, 1024))]);
        rows.extend(row.wrap(columns, &Row(vec![Span::plain("       ")])));
    }
    if let Some(left) = request
        .paths
        .as_ref()
        .map(|paths| paths.len().saturating_sub(PATHS))
        .filter(|left| *left > 0)
    {
        rows.push(Row::of(Style::DIM, &format!("  … {left} more paths")));
    }
    if let Some(command) = &request.command {
        rows.extend(command_rows(command, columns));
    }
    for change in request.diff.iter().flatten().take(DIFFS) {
        let text = |name: &str| change.get(name).and_then(Value::as_str);
        let new = text("newText").unwrap_or_default();
        rows.extend(diff(text("path").unwrap_or_default(), text("oldText"), new, columns));
    }
    rows
}

/// One line, for those who have no terminal.
pub(crate) fn line(request: &PermissionRequest) -> String {
    let kind = request.tool_kind.as_deref().unwrap_or("tool");
    let title = head(request.description.as_deref().unwrap_or_default(), 400).replace(['\n', '\r'], " ");
    let command = request
        .command
        .as_deref()
        .map(|command| format!(" $ {}", head(command, 400).replace('\n', "; ")));
    let paths = request
        .paths
        .iter()
        .flatten()
        .take(PATHS)
        .map(|path| format!(" {}", head(path, 400)));
    format!(
        "[{kind}] {title}{}{}",
        command.unwrap_or_default(),
        paths.collect::<String>()
    )
}

/// Paths and diffs that are shown of one request.
const PATHS: usize = 8;
const DIFFS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_shows_tool_kind_paths_command_and_changes() {
        let request: PermissionRequest = serde_json::from_value(json!({
            "permissionId": "p", "sessionId": "s", "description": "Do \x1b[2Jit", "params": {}, "toolName": "Bash",
            "toolKind": "execute", "paths": ["/home/user/a"], "command": "rm a\nrm b",
            "diff": [{"path": "/home/user/a", "oldText": "x\n", "newText": "y\n"}], "options": [], "createdAt": 0,
        }))
        .unwrap();
        let shown: Vec<String> = rows(&request, 40).iter().map(Row::text).collect();
        let expected = [
            "? execute Bash Do ␛[2Jit",
            "  path /home/user/a",
            "  $ rm a",
            "    rm b",
            "    /home/user/a",
            "  - x",
            "  + y",
        ];
        assert_eq!(shown, expected);
        assert_eq!(line(&request), "[execute] Do \x1b[2Jit $ rm a; rm b /home/user/a");
    }
}
