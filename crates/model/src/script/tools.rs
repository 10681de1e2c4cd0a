//! Tools by what they do: agents have the same few under different names, with different names of parameters. An agent that
//! has none for files is asked to do it with a patch, or with a command, as a model would (Codex).

use crate::conversation::Declared;
use serde_json::{Map, Value, json};

/// What a script can ask for.
struct Role {
    name: &'static str,
    /// Names that tools of this meaning have, compared without case, the likeliest first.
    tools: &'static [&'static str],
    /// Parameters: the script's name, then names that agents use.
    parameters: &'static [&'static [&'static str]],
}

const PATH: &[&str] = &["path", "file_path", "filePath", "filename", "file"];

const ROLES: [Role; 4] = [
    Role {
        name: "write",
        tools: &["write", "write_file", "create_file", "create", "WriteFile"],
        parameters: &[PATH, &["content", "contents", "file_text", "text", "data"]],
    },
    Role {
        name: "read",
        tools: &["read", "read_file", "view", "ReadFile"],
        parameters: &[PATH],
    },
    Role {
        name: "edit",
        tools: &["edit", "edit_file", "str_replace", "EditFile"],
        parameters: &[
            PATH,
            &["oldText", "old_string", "oldString", "old_str", "search"],
            &["newText", "new_string", "newString", "new_str", "replace"],
        ],
    },
    Role {
        name: "bash",
        tools: &[
            "bash",
            "shell",
            "exec_command",
            "shell_command",
            "run_command",
            "execute_command",
            "run_shell_command",
        ],
        parameters: &[&["command", "cmd", "script"]],
    },
];

impl Role {
    fn tool<'a>(&self, declared: &'a [Declared]) -> Option<&'a Declared> {
        let named = |name: &&str| declared.iter().find(|tool| tool.name.eq_ignore_ascii_case(name));
        self.tools.iter().find_map(named)
    }

    /// The text of a parameter under any of its names.
    fn text<'a>(&self, input: &'a Map<String, Value>, parameter: usize) -> Option<&'a str> {
        let aliases = self.parameters.get(parameter)?;
        aliases.iter().find_map(|name| input.get(*name)?.as_str())
    }
}

/// The tool of agents that take changes as patches.
const PATCH: &str = "apply_patch";

/// What does the same where there is no tool for it.
fn instead(role: &Role, input: &Map<String, Value>, declared: &[Declared]) -> Option<(String, Map<String, Value>)> {
    let path = role.text(input, 0)?;
    let patching = declared.iter().find(|tool| tool.name == PATCH);
    if let (Some(tool), Some(patch)) = (patching, patch(role, path, input)) {
        let name = if tool.freeform || property(&tool.schema, "input").is_some() {
            "input"
        } else {
            "patch"
        };
        return Some((tool.name.clone(), Map::from_iter([(name.to_owned(), patch.into())])));
    }
    let command = match role.name {
        "read" => format!("cat {}", quoted(path)),
        "write" => format!("printf %s {} > {}", quoted(role.text(input, 1)?), quoted(path)),
        _ => return None,
    };
    adapt(
        "bash",
        &Map::from_iter([("command".to_owned(), command.into())]),
        declared,
    )
}

fn patch(role: &Role, path: &str, input: &Map<String, Value>) -> Option<String> {
    let lines = |sign: char, text: &str| text.lines().map(|line| format!("{sign}{line}\n")).collect::<String>();
    let change = match role.name {
        "write" => format!("*** Add File: {path}\n{}", lines('+', role.text(input, 1)?)),
        "edit" => {
            let (old, new) = (lines('-', role.text(input, 1)?), lines('+', role.text(input, 2)?));
            format!("*** Update File: {path}\n@@\n{old}{new}")
        }
        _ => return None,
    };
    Some(format!("*** Begin Patch\n{change}*** End Patch\n"))
}

/// A word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

pub(super) fn roles() -> Vec<&'static str> {
    ROLES.iter().map(|role| role.name).collect()
}

pub(super) fn is_role(name: &str) -> bool {
    ROLES.iter().any(|role| role.name == name)
}

/// The agent's tool for a role and the input in its words.
pub(super) fn adapt(
    role: &str,
    input: &Map<String, Value>,
    declared: &[Declared],
) -> Option<(String, Map<String, Value>)> {
    let role = ROLES.iter().find(|known| known.name == role)?;
    let Some(tool) = role.tool(declared) else {
        return instead(role, input, declared);
    };
    let mut adapted = translate(role, input, &tool.schema);
    // Some agents take several replacements at once.
    if role.name == "edit"
        && let Some(items) = property(&tool.schema, "edits").and_then(|edits| edits.get("items"))
        && property(&tool.schema, "oldText").is_none()
    {
        let mut edit = translate(role, input, items);
        let path = PATH.iter().find_map(|name| edit.remove_entry(*name));
        adapted = translate(role, &path.into_iter().collect(), &tool.schema);
        adapted.insert("edits".to_owned(), json!([edit]));
    }
    Some((tool.name.clone(), adapted))
}

/// Each parameter under the name that the schema has for it. What the schema does not know is left out, if it knows anything.
fn translate(role: &Role, input: &Map<String, Value>, schema: &Value) -> Map<String, Value> {
    let mut adapted = Map::new();
    for (name, value) in input {
        let aliases = role.parameters.iter().find(|aliases| aliases.contains(&name.as_str()));
        let aliases: &[&str] = aliases.copied().unwrap_or_default();
        let known = std::iter::once(name.as_str())
            .chain(aliases.iter().copied())
            .find(|alias| property(schema, alias).is_some());
        match known {
            Some(alias) => adapted.insert(alias.to_owned(), typed(value, property(schema, alias))),
            None if schema.get("properties").is_none() || PATH.contains(&name.as_str()) => {
                adapted.insert(name.clone(), value.clone())
            }
            None => None,
        };
    }
    adapted
}

/// A command where the agent wants the words of one.
fn typed(value: &Value, schema: Option<&Value>) -> Value {
    let wants_list = schema
        .and_then(|schema| schema.get("type"))
        .is_some_and(|kind| kind == "array");
    match value {
        Value::String(command) if wants_list => json!(["bash", "-lc", command]),
        other => other.clone(),
    }
}

fn property<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    schema.get("properties")?.get(name)
}
